"""What earning rules ask of a customer, as attributes of the member.

Voucherify's rules read a customer's metadata and birthdate, ours read attributes, which the ledger
keeps. So whatever the rules of a program ask for is written down for its members: when the
customer is written, when they join, and before an event or an order.
"""

from __future__ import annotations

from typing import Final

from tierline.ledger import commands
from tierline.ledger.birthdates import attribute_of
from tierline.ledger.commands import ProgramRef
from tierline.model.tenant import Customer
from tierline.vendors.voucherify.api.memberships import Member
from tierline.web.routing import Call

Value = str | int | bool
BIRTHDATE: Final = "birthdate"
_INTEGER_MAX: Final = 2**53 - 1
_CHARACTERS_MAX: Final = 200


def values_of(customer: Customer, names: frozenset[str]) -> dict[str, Value | None]:
    """Returns what the customer has of these names; None for what they have not."""
    values: dict[str, Value | None] = {}
    for name in names:
        given = customer.metadata.get(name)
        if name == BIRTHDATE and given is None:
            given = attribute_of(customer.birthdate)
        values[name] = _attribute(given)
    return values


def _attribute(given: object) -> Value | None:
    """An attribute is text, a whole number, or true or false. Other numbers become text, which
    formulas read as the number again."""
    if isinstance(given, bool):
        return given
    if isinstance(given, int):
        return given if abs(given) <= _INTEGER_MAX else None
    if isinstance(given, float):
        return f"{given:.10f}".rstrip("0").rstrip(".")
    return given if isinstance(given, str) and 0 < len(given) <= _CHARACTERS_MAX else None


async def note(call: Call, member: Member, customer: Customer | None = None) -> None:
    """Writes down what has changed of what the program's rules ask for. A customer who is no
    member has no attributes."""
    if not member.joined:
        return
    names = member.program.version(call.now).attribute_names
    if not names:
        return
    held = member.standing.attributes
    values = values_of(customer or member.row.customer, names)
    changed = {name: value for name, value in values.items() if held.get(name) != value}
    if changed:
        ref = ProgramRef(call.project, member.number)
        source = member.row.customer.source_id or member.row.customer.id
        await call.parts.writer.submit(
            commands.attributes(ref, source, changed, number=member.row.id)
        )
