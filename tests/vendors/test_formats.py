"""Every format with every kind of event: stable bytes, printed alike in JavaScript, frozen."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from msgspec.structs import replace

from tests import javascript
from tests.vendors.announcements import (
    AT,
    PROJECT,
    endpoint,
    lion_announcement,
    one_of_each_kind,
    rules,
    voucherify_announcement,
)
from tierline.engine.announcement import Announcement
from tierline.errors import Invalid
from tierline.model import json_text
from tierline.model.events import EventKind
from tierline.rules.ladder import Tier
from tierline.rules.policy import Policy
from tierline.rules.program import Rules, Version
from tierline.vendors.registry import FORMATS
from tierline.vendors.sample import sample_announcement, sample_event
from tierline.vendors.standard.payloads import event_object
from tierline.vendors.vendor import EndpointFacts, batch

GOLDEN = Path(__file__).parent / "golden"
OPTIONS: list[dict[str, Any]] = [
    {},
    {"raw": True, "event_name": "Tier ✓"},
    {"thin": True, "position_base": 0, "vendor_id": "wh_1", "source": "distribution"},
    {"extended": True},
]


def shapes(name: str) -> list[EndpointFacts]:
    """Endpoints of a format with all sorts of options."""
    return [endpoint(name, **options) for options in OPTIONS]


def render(name: str, announcement: Announcement, **options: Any) -> bytes:
    version = FORMATS[name].versions[-1]
    body = FORMATS[name].render(announcement, endpoint(name, **options), version)
    assert body is not None
    return body


def printed(name: str, announcement: Announcement, **options: Any) -> Any:
    return json.loads(render(name, announcement, **options))


def bodies() -> list[tuple[str, str, bytes]]:
    """(format, kind, body) of everything that can be rendered."""
    rendered: list[tuple[str, str, bytes]] = []
    for name, form in FORMATS.items():
        for announcement in one_of_each_kind():
            for shape in shapes(name):
                body = form.render(announcement, shape, form.versions[-1])
                if body is not None:
                    rendered.append((name, announcement.event.kind, body))
    return rendered


def test_javascript_prints_the_same() -> None:
    """Bytes == JSON.stringify(JSON.parse(bytes)): the published recipe re-prints what it signs.
    It also proves that splicing encoded parts gives what printing the whole would give."""
    for _, _, body in bodies():
        assert body == javascript.again(body)
        assert body == json_text.dump(json.loads(body))


@pytest.mark.node
def test_node_prints_the_same(node: javascript.Node) -> None:
    """The same, by JavaScript itself."""
    for _, _, body in bodies():
        assert body == node.again(body)


def test_bodies_are_stable() -> None:
    """A second rendering, from objects read anew from JSON, gives the same bytes."""
    for announcement in one_of_each_kind():
        fresh = msgspec.json.decode(msgspec.json.encode(announcement), type=Announcement)
        for name, form in FORMATS.items():
            bodies = [
                form.render(each, endpoint(name), form.versions[-1])
                for each in (announcement, fresh)
            ]
            assert bodies[0] == bodies[1], name


@pytest.mark.parametrize("name", FORMATS)
def test_kinds(name: str) -> None:
    """A format renders exactly the kinds that it names; LoyaltyLion has two."""
    form = FORMATS[name]

    rendered = {kind for each, kind, _ in bodies() if each == name}

    assert rendered == set(form.wire_names)
    if name != "loyaltylion":
        assert rendered == set(get_args(EventKind))
    else:
        assert rendered == {"upgraded", "downgraded"}


@pytest.mark.parametrize("name", FORMATS)
def test_golden(name: str) -> None:
    """The bytes of a frozen format version never change. (A change is a new version; to write the
    files of a new one, run with TIERLINE_WRITE_GOLDEN=1.)"""
    announcements = [voucherify_announcement("voucherify-tier-upgraded", "upgraded")]
    announcements.append(lion_announcement("loyaltylion-tier-upgraded", "upgraded", "15", "16"))
    form = FORMATS[name]
    for version in form.versions:
        file = GOLDEN / f"{name}-{version}.jsonl"
        rendered = [
            form.render(each, shape, version) for each in announcements for shape in shapes(name)
        ]
        text = b"".join(body + b"\n" for body in rendered if body is not None)
        if os.environ.get("TIERLINE_WRITE_GOLDEN"):
            file.write_bytes(text)
        assert text == file.read_bytes()


def test_every_attempt_has_one_id() -> None:
    """Delivery ids follow from event and endpoint, differ between endpoints, and hold no dot."""
    for form in FORMATS.values():
        first = form.delivery_id("evt_1", "end_1")
        assert first == form.delivery_id("evt_1", "end_1")
        assert first != form.delivery_id("evt_1", "end_2")
        assert first != form.delivery_id("evt_2", "end_1")
        assert "." not in first


def test_voucherify_options() -> None:
    """An event name of one's own, as a distribution has; the event's own type stays."""
    announcement = voucherify_announcement("voucherify-tier-joined", "joined")

    got = printed(
        "voucherify", announcement, event_name="Welcome", source="distribution", extended=True
    )

    assert got["type"] == "Welcome"
    assert got["event"]["type"] == "customer.loyalty.tier.joined"
    assert got["source"]["object"] == "distribution"
    assert got["source"]["id"].startswith("distr_")
    assert got["tierline"] == json.loads(msgspec.json.encode(event_object(announcement)))


def test_voucherify_left_and_open_top() -> None:
    """`left` shows the tier that was left; an open top tier has no `to`, not a null."""
    tiers = [{"id": "ltr_1", "name": "Top", "points": {"from": 351}}]
    version = Version(1, AT, rules("voucherify", {"name": "Club", "loyalty_tiers": tiers}))
    announcement = one_of_each_kind()[4]
    event = replace(announcement.event, tier_from="ltr_1", tier_to=None)

    got = printed("voucherify", replace(announcement, rules=version, event=event))

    tier = got["data"]["loyalty_tier"]
    assert got["event"]["type"] == "customer.loyalty.tier.left"
    assert tier["points"] == tier["config"]["points"] == {"from": 351}


def test_nightly_run() -> None:
    """What time made comes from INTERNAL; events of one cause share a group."""
    night = one_of_each_kind()[3]
    second = replace(night, event=replace(night.event, seq=3))

    first, second_ = printed("voucherify", night)["event"], printed("voucherify", second)["event"]

    assert first["event_source"] == {"channel": "INTERNAL"}
    assert first["group_id"] == second_["group_id"]


def test_position_from_zero() -> None:
    """The one switch for consumers who read LoyaltyLion's other pages."""
    announcement = lion_announcement("loyaltylion-tier-upgraded", "upgraded", "15", "16")

    got = printed("loyaltylion", announcement, position_base=0)

    tier = got["payload"]["properties"]["customer"]["loyalty_tier_membership"]["loyalty_tier"]
    assert list(tier)[:4] == ["id", "name", "number", "position"]
    assert (tier["number"], tier["position"]) == (2, 1)


def test_lion_points_bounds() -> None:
    """Points are divided by 100 like money: 5000 points are "50.00", 1 point is "0.01"."""
    tiers = [{"name": "A", "lower_bound": 0}, {"name": "B", "lower_bound": 5000}]
    settings = {"boundary_mode": "points", "membership": {"mode": "lifetime"}, "tiers": tiers}
    version = Version(1, AT, rules("loyaltylion", settings))
    low, high = (tier.id for tier in version.rules.policy.tiers)
    announcement = one_of_each_kind()[6]
    event = replace(announcement.event, tier_from=low, tier_to=high)

    got = printed("loyaltylion", replace(announcement, rules=version, event=event))

    properties = got["payload"]["properties"]
    assert properties["previous_tier"]["upper_bound"] == "49.99"
    assert properties["new_tier"]["lower_bound"] == "50.00"
    assert properties["new_tier"]["upper_bound"] is None


NATIVE = Version(
    1, AT, Rules("Club", Policy((Tier("bronze", "Bronze", 0), Tier("gold", "Gold", 1000))))
)


def native_announcement(kind: EventKind = "upgraded") -> Announcement:
    announcement = next(
        announcement for announcement in one_of_each_kind() if announcement.event.kind == kind
    )
    event = replace(announcement.event, tier_from="bronze", tier_to="gold")
    return replace(announcement, rules=NATIVE, event=event)


def test_native_program_in_voucherify_words() -> None:
    """A program in native words has a whole campaign and tiers with the bounds that are meant."""
    data = printed("voucherify", native_announcement())["data"]

    assert list(data["campaign"])[:3] == ["id", "name", "campaign_type"]
    assert data["campaign"]["name"] == "Club"
    assert data["loyalty_tier_from"]["points"] == {"from": 0, "to": 999}
    assert data["loyalty_tier_to"]["points"] == {"from": 1000}
    assert data["loyalty_tier_to"]["campaign_id"] == data["campaign"]["id"]


def test_native_program_in_lion_words() -> None:
    """Tiers with ids that are no numbers get numbers, the same each time."""
    properties = printed("loyaltylion", native_announcement())["payload"]["properties"]

    previous, new = properties["previous_tier"], properties["new_tier"]
    assert (previous["number"], new["number"]) == (1, 2)
    assert previous["upper_bound"] == "9.99"
    assert type(new["id"]) is int
    assert new["id"] != previous["id"]


def test_tier_that_is_gone() -> None:
    """A tier that the deciding version dropped is shown as the version before had it."""
    gone = Version(2, AT, Rules("Club", Policy((Tier("bronze", "Bronze", 0),))))
    announcement = native_announcement("downgraded")
    event = replace(announcement.event, tier_from="gold", tier_to="bronze", cause="rules")
    announcement = replace(announcement, rules=gone, before=NATIVE, event=event)

    assert printed("voucherify", announcement)["data"]["loyalty_tier_from"]["name"] == "Gold"
    lion = printed("loyaltylion", announcement)["payload"]["properties"]
    assert lion["previous_tier"]["name"] == "Gold"
    assert event_object(announcement)["tier_from"] == {"id": "gold", "name": "Gold"}


def test_standard_payload() -> None:
    """`{type, timestamp, data}` with our own event; the thin one holds ids alone."""
    announcement = voucherify_announcement("voucherify-tier-upgraded", "upgraded")

    full, thin = printed("standard", announcement), printed("standard", announcement, thin=True)

    assert list(full) == ["type", "timestamp", "data"]
    assert (full["type"], full["timestamp"]) == ("tier.upgraded", "2024-03-11T12:06:34.423Z")
    assert full["data"] == {
        "id": "evt_1",
        "kind": "upgraded",
        "program": "club",
        "customer": "4l3x-d03",
        "customer_id": "cust_2p0TvCOvB25HWUrW9JFf4czJ",
        "tier_from": {"id": "ltr_0e30613ad01f044515", "name": "Loyal silver"},
        "tier_to": {"id": "ltr_0e30613ad01f044516", "name": "Loyal gold"},
        "at": "2024-03-11T12:06:34.423Z",
        "cause": "activity",
        "seq": 1,
        "version": 1,
        "since": "2024-03-11T12:06:34.423Z",
        "expires_at": None,
        "manual": False,
        "points": {"balance": 200, "pending": 0, "spent": 0},
        "recorded_at": "2024-03-11T12:06:34.430Z",
    }
    assert thin["data"] == {"id": "evt_1", "customer": "4l3x-d03", "program": "club"}


@pytest.mark.parametrize("announcement", one_of_each_kind())
def test_cloudevents(announcement: Announcement) -> None:
    """The `cloudevents` package reads what we print, and finds nothing to complain of."""
    body = render("cloudevents", announcement)

    event = JSONFormat().read(CloudEvent, body)

    assert event.get_id() == announcement.id
    assert event.get_type() == f"tierline.tier.{announcement.event.kind}"
    assert event.get_subject() == "søurce/1"
    assert event.get_extension("sequence") == "0000000002"
    assert event.get_data() == json.loads(msgspec.json.encode(event_object(announcement)))


def test_batch() -> None:
    """A batch is an array of the bodies as they are."""
    assert batch([b'{"a":1}', b'{"b":2}']) == b'[{"a":1},{"b":2}]'


@pytest.mark.parametrize("name", FORMATS)
def test_samples(name: str) -> None:
    """A test event has the shape of a real one, ids of zeros, and its project's time."""
    for kind in FORMATS[name].wire_names:
        announcement = sample_announcement(name, kind, PROJECT, AT)
        text = render(name, announcement).decode()
        assert "0000000000" in text
        assert "2024-03-20T08:00:00.000Z" in text


def test_sample_of_an_unknown_kind() -> None:
    """LoyaltyLion has no event for a first tier, and the error says which it has."""
    with pytest.raises(Invalid, match="no event for 'joined', only for upgraded, downgraded"):
        sample_event("loyaltylion", "joined", PROJECT, AT)


def test_facts_are_small_and_read_back() -> None:
    """What a lane keeps to repeat its bytes is a short JSON text."""
    for name, form in FORMATS.items():
        for shape in shapes(name):
            text = msgspec.json.encode(shape)
            assert len(text) < 200
            assert msgspec.json.decode(text, type=form.endpoint_facts) == shape
