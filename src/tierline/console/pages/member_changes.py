"""What people do to a member: each a form with a reason, which shows what would follow before
anything is sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct

from tierline.console import cells
from tierline.console.pages.member import MEMBER, frame
from tierline.console.site import ConsolePage, Content, Go, PageView
from tierline.errors import Invalid
from tierline.ledger.commands import fresh_key

ACTIVITIES: Final = "POST /api/programs/{program}/activities"
DRY_RUN: Final = "POST /api/programs/{program}/dry-run"
REASON_CHARACTERS_MAX: Final = 200
Json = dict[str, Any]


class MemberForm(Struct, frozen=True):
    """One kind of change: the operation that makes it, and the body that the form means."""

    template: str
    title: str
    operation: str
    body: Callable[[PageView], Json]
    done: str


def _reason(view: PageView) -> str:
    reason = view.form.text("reason")
    if reason is None:
        raise Invalid(path="reason", reason="reason: say why, for whoever looks at it later.")
    return reason[:REASON_CHARACTERS_MAX]


def _customer(view: PageView) -> str:
    return view.param("source_id")


def _adjustment(view: PageView) -> Json:
    points = view.form.number("points")
    if not points:
        raise Invalid(path="points", reason="points: say how many, more or fewer than none.")
    return {
        "kind": "adjust", "customer": _customer(view), "points": points,
        "metadata": {"reason": _reason(view)},
        "key": view.form.text("key") or fresh_key(),
    }  # fmt: skip


def _override(view: PageView) -> Json:
    kind = view.form.text("kind") or "pin"
    return {
        "kind": kind,
        "tier": view.form.text("tier") if kind != "hold" else None,
        "until": _end(view),
        "then": view.form.text("then") or "rejudge",
        "reason": _reason(view),
        "actor": view.visit.email[:200],
        "key": view.form.text("key") or fresh_key(),
    }


def _end(view: PageView) -> str | None:
    """The end of the last civil day that was picked; None: until it is released."""
    text = view.form.text("last_day")
    return None if text is None else cells.day_end(text, "last_day", view.zone)


def _attributes(view: PageView) -> Json:
    name = view.form.text("name")
    if name is None:
        raise Invalid(path="name", reason="name: say which attribute.")
    text = view.form.text("value")
    if "remove" in view.form or text is None:
        return {"attributes": {name: None}}
    return {"attributes": {name: _value(text)}}


def _value(text: str) -> str | int | bool:
    """`true` and `12` are what they look like; in quotation marks they are texts."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | bool) else text


def _reversal(view: PageView) -> Json:
    kind, of = view.form.text("kind") or "void", view.form.text("of")
    if of is None:
        raise Invalid(path="of", reason="of: name the activity by its key.")
    body: Json = {
        "kind": kind, "customer": _customer(view), "of": of,
        "metadata": {"reason": _reason(view)}, "key": view.form.text("key") or fresh_key(),
    }  # fmt: skip
    if kind == "refund":
        amount, points = view.form.number("amount"), view.form.number("points")
        body |= {} if amount is None else {"amount": amount}
        body |= {} if points is None else {"points": points}
    return body


async def _outcome(view: PageView, change: MemberForm, body: Json, path: Json) -> Any:
    """What would follow. Raises what the change would be refused with."""
    if change.operation == ACTIVITIES:
        return await view.api(DRY_RUN, {"program": path["program"]}, body=body)
    return await view.api(change.operation, path, body={**body, "dry_run": True})


def _page(name: str, change: MemberForm) -> ConsolePage:
    async def show(view: PageView) -> Content:
        content = await frame(view)
        return {
            **content,
            "title": change.title,
            "key": view.form.text("key") or fresh_key(),
            "outcome": None,
            "change": name,
        }

    async def act(view: PageView) -> Content | Go:
        path = {"program": view.param("program"), "source_id": _customer(view)}
        body = change.body(view)
        if "try" in view.form:
            return {"outcome": await _outcome(view, change, body, path)}
        where = {"program": path["program"]} if change.operation == ACTIVITIES else path
        await view.api(change.operation, where, body=body)
        return Go(view.url("programs", path["program"], "members", path["source_id"]), change.done)

    return ConsolePage(
        f"/programs/{{program}}/members/{{source_id}}/{name}", change.template, change.title,
        show, act, section="members", scopes=("read_customers", "read_programs", "write_customers"),
    )  # fmt: skip


async def _show_release(view: PageView) -> Content:
    return {**await frame(view), "override": view.asks("id")}


async def _release(view: PageView) -> Go:
    path = {"program": view.param("program"), "source_id": _customer(view)}
    await view.api(f"DELETE {MEMBER}/override", path, query={"id": view.form.text("id")})
    return Go(view.url("programs", path["program"], "members", path["source_id"]), "released")


async def _show_leaving(view: PageView) -> Content:
    return await frame(view)


async def _leave(view: PageView) -> Go:
    path = {"program": view.param("program"), "source_id": _customer(view)}
    await view.api(f"DELETE {MEMBER}", path)
    return Go(view.url("programs", path["program"], "members", path["source_id"]), "left")


async def _erase(view: PageView) -> Go:
    """Only where the id was typed: it is for good."""
    name = _customer(view)
    if view.form.text("confirm") != name:
        raise Invalid(path="confirm", reason=f"confirm: type {name} to erase this customer.")
    await view.api("POST /api/customers/{source_id}/erase", {"source_id": name})
    return Go(view.url("programs", view.param("program"), "members"), "erased")


def _plain(
    name: str,
    title: str,
    show: Callable[[PageView], Awaitable[Content]],
    act: Callable[[PageView], Awaitable[Go]],
    scope: str = "write_customers",
) -> ConsolePage:
    return ConsolePage(
        f"/programs/{{program}}/members/{{source_id}}/{name}", f"member_{name}.html", title,
        show, act, section="members", scopes=("read_customers", "read_programs", scope),
    )  # fmt: skip


PAGES: Final = (
    _page("adjust", MemberForm(
        "member_adjust.html", "Adjust points", ACTIVITIES, _adjustment, "adjusted",
    )),
    _page("override", MemberForm(
        "member_override.html", "Give a tier", f"PUT {MEMBER}/override", _override, "overridden",
    )),
    _page("attributes", MemberForm(
        "member_attributes.html", "Attributes", f"PUT {MEMBER}/attributes", _attributes,
        "attributed",
    )),
    _page("reverse", MemberForm(
        "member_reverse.html", "Take back", ACTIVITIES, _reversal, "reversed",
    )),
    _plain("release", "Release an override", _show_release, _release),
    _plain("leave", "End the membership", _show_leaving, _leave),
    _plain("erase", "Erase the customer", _show_leaving, _erase, "erase_customers"),
)  # fmt: skip
