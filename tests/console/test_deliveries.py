"""Deliveries in the console: endpoints made, told what to do, and looked into."""

from __future__ import annotations

import json
from functools import partial
from html import unescape

from tests.console.visitor import Visitor, signed_in, text_of
from tests.receiver import Receiver, Reply
from tests.web.conftest import Api
from tierline.vendors.registry import FORMATS

PAYLOADS = ("<script>alert(1)</script>", "</pre><img src=x onerror=alert(2)>")
FORM = {"format": "standard", "mode": "customer", "retry": "standard", "description": "Mail"}


async def made(visitor: Visitor, url: str, **fields: str) -> str:
    """The path of a new endpoint's page."""
    answer = await visitor.send("/new-endpoint", {**FORM, "url": url, "do": "yes", **fields})
    assert answer.status == 200, answer.body.decode()
    page = answer.body.decode()
    assert "whsec_" in page
    path = page.partition('class="button" href="')[2].partition('"')[0]
    return path.removeprefix(visitor.root)


async def test_an_endpoint_is_made_changed_and_deleted(club: Api, receiver: Receiver) -> None:
    maya = await signed_in(club)
    assert "Nobody is told yet" in await maya.page("/endpoints")
    path = await made(maya, receiver.url, kinds="upgraded", filter='{"customer": "anna"}')
    page = await maya.page(path)
    assert "whsec_" not in page
    assert "active" in text_of(await maya.page("/endpoints"))
    stored = (await club.get(f"/api{path}")).json
    assert (stored["kinds"], stored["filter"]) == (["upgraded"], {"customer": "anna"})
    form = {**FORM, "url": receiver.url, "description": "Push", "revision": stored["revision"]}
    assert (await maya.send(f"{path}/edit", {**form, "do": "yes"})).status == 303
    stored = (await club.get(f"/api{path}")).json
    assert (stored["description"], stored["filter"], stored["kinds"]) == ("Push", None, [])
    stale = await maya.send(f"{path}/edit", {**form, "do": "yes"})
    assert stale.status == 409
    assert (await maya.send(f"{path}/remove", {})).status == 303
    assert (await maya.get(f"{maya.root}{path}")).status == 404


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({"url": "ftp://x"}, "A URL starts with"),
    ({"url": ""}, "A URL starts with"),
    ({"filter": "{"}, "it is no JSON"),
    ({"filter": "[1]"}, "filter"),
    ({"mapping": '{"a": '}, "it is no JSON"),
    ({"format": "telegram"}, "there is no format"),
    ({"kinds": "promoted"}, "kinds"),
    ({"rate_per_s": "fast"}, "whole number"),
    ({"url": "http://10.0.0.1/x"}, "10.0.0.1"),
)


async def test_a_wrong_endpoint_is_refused_in_words(club: Api, receiver: Receiver) -> None:
    """By the sample as by the making."""
    maya = await signed_in(club)
    for fields, text in WRONG:
        for button in ("try", "do"):
            form = {**FORM, "url": receiver.url, **fields, button: "yes"}
            answer = await maya.send("/new-endpoint", form)
            assert answer.status in (400, 422), answer.body.decode()
            assert text in text_of(answer.body.decode()), fields
    assert (await club.get("/api/endpoints")).json["endpoints"] == []


async def test_a_sample_shows_what_would_be_sent(club: Api, receiver: Receiver) -> None:
    """In every format, with the mapping, and whether the filter lets it through."""
    maya = await signed_in(club)
    form = {**FORM, "url": receiver.url, "try": "yes"}
    for format_ in FORMATS:
        page = await maya.send("/new-endpoint", {**form, "format": format_})
        assert page.status == 200, page.body.decode()
        text = page.body.decode()
        assert "sample-customer" in text or "sample@example.com" in text, format_
    form["mapping"] = json.dumps({"who": "{{customer}}"})
    form["filter"] = json.dumps({"customer": "somebody"})
    text = text_of((await maya.send("/new-endpoint", form)).body.decode())
    assert "do not let this event through" in text
    assert "who" in text
    assert receiver.requests == []


async def test_what_failed_is_seen_and_told_to_try_again(club: Api, receiver: Receiver) -> None:
    """An engineer's buttons: retry, pause, resume, test, rotate, replay with its count."""
    maya = await signed_in(club)
    path = await made(maya, receiver.url)
    receiver.then(Reply(500, body=b"on fire"))
    await club.earn("anna", 150)
    await receiver.wait(1)
    page = ""
    while "retrying" not in page:
        page = await maya.page(path)
    attempts = await maya.page(f"{path}/attempts?customer=anna&outcome=bad")
    link = attempts.partition('class="whole" href="')[2].partition('"')[0]
    attempt = text_of((await maya.get(unescape(link))).body.decode())
    assert "on fire" in attempt
    assert "webhook-signature" in attempt
    assert (await maya.send(path, {"command": "retry"})).status == 303
    await receiver.wait(2)
    assert "Nothing" in text_of(await maya.page(f"{path}/attempts?customer=anna&kind=left"))
    for command, state in (("pause", "paused"), ("resume", "active")):
        assert (await maya.send(path, {"command": command})).status == 303
        assert (await club.get(f"/api{path}")).json["state"] == state
    tested = await maya.send(path, {"command": "test", "kind": "downgraded"})
    assert "The receiver answered 200" in text_of(tested.body.decode())
    rotated = await maya.send(path, {"command": "rotate", "overlap": "60"})
    assert "whsec_" in rotated.body.decode()
    count = await maya.send(f"{path}/replay", {"kinds": "joined", "try": "yes"})
    assert "1 event" in text_of(count.body.decode())
    before = len(receiver.requests)
    assert (await maya.send(f"{path}/replay", {"kinds": "joined", "do": "yes"})).status == 303
    await receiver.wait(before + 1)
    for form in ({"do": "yes"}, {"kinds": "none", "do": "yes"}, {"since": "soon", "try": "yes"}):
        assert (await maya.send(f"{path}/replay", form)).status in (400, 422), form
    assert (await maya.send(path, {"command": "explode"})).status == 400


async def test_what_a_receiver_answers_is_text(club: Api, receiver: Receiver) -> None:
    """In its body and headers, of a test as of a delivery."""
    maya = await signed_in(club)
    for payload in PAYLOADS:
        path = await made(maya, receiver.url, description=payload)
        receiver.answer = partial(_refusal, payload)
        tested = await maya.send(path, {"command": "test", "kind": "joined"})
        pages = [tested.body.decode(), await maya.page(f"{path}/attempts")]
        link = pages[1].partition('class="whole" href="')[2].partition('"')[0]
        pages += [(await maya.get(unescape(link))).body.decode(), await maya.page("/endpoints")]
        pages += [await maya.page(f"{path}/edit"), await maya.page("")]
        for page in pages:
            assert payload not in page
        assert "alert(" in pages[2]


def _refusal(payload: str, _: object) -> Reply:
    return Reply(400, {"x-answer": payload}, payload.encode())


async def test_deliveries_are_for_those_who_may_manage_them(club: Api, receiver: Receiver) -> None:
    maya = await signed_in(club)
    path = await made(maya, receiver.url)
    sam = await signed_in(club, "sam@example.com", "support")
    assert "Deliveries" not in await sam.page("")
    for page in ("/endpoints", path, f"{path}/attempts", f"{path}/replay", "/new-endpoint"):
        assert (await sam.get(f"{sam.root}{page}")).status == 403
    assert (await sam.send(path, {"command": "pause"})).status == 403
