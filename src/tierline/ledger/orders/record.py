"""An order as the project keeps it, and what a further statement makes of it. Pure.

1. A newer `as_of` replaces the whole state; an older one changes nothing.
2. Without an `as_of`, or with the same one, what was paid and refunded takes the larger value, and
   cancelled stays cancelled.
3. A key stands for one statement: the same again changes nothing, another one is refused.
4. The state is one for all programs that were told of the order.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tierline.errors import KeyReused
from tierline.ledger.orders.differences import OrderTarget
from tierline.model.orders import OrderState

KEYS_MAX = 64  # statements whose keys an order remembers

_text = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="deterministic").encode


class Buyer(Struct, frozen=True, omit_defaults=True):
    """Whose order it is or was: by the name that the caller used, and the id where it is known."""

    name: str
    number: int = 0

    def is_same(self, other: Buyer) -> bool:
        if self.number and other.number:
            return self.number == other.number
        return self.name == other.name


class OrderRecord(Struct, frozen=True, omit_defaults=True):
    """What is stored of an order. `keys`: digests of the newest statements, by their keys."""

    state: OrderState
    buyer: Buyer
    revision: int
    first_at: int
    programs: tuple[int, ...] = ()
    former: tuple[Buyer, ...] = ()  # who had it once and may have it in their ledgers
    keys: dict[str, str] = {}
    in_ledgers: bool = False  # whether a ledger may hold something of it

    def target(self, name: str) -> OrderTarget:
        return OrderTarget(name, self.state, self.revision, self.first_at)

    def target_of_former(self, name: str) -> OrderTarget:
        return OrderTarget(name, None, self.revision, self.first_at)


read_record: Final = msgspec.json.Decoder(OrderRecord).decode


class KeyedState(Struct, frozen=True, omit_defaults=True):
    """One statement of an order by its key, in a program; 0: in none."""

    key: str
    digest: str  # hexadecimal
    program: int
    state: OrderState
    buyer: Buyer
    quiet: bool = False
    textual: bool = False  # metadata is text from a file


class PendingStatement(Struct, frozen=True):
    """A statement, and the record of its order that it makes."""

    statement: KeyedState
    record: OrderRecord

    @property
    def text(self) -> str:
        """How it stands in the order's row."""
        return _text(self).decode()

    def is_of(self, revision: int, digest: bytes) -> bool:
        """Whether a booking with these follows from it."""
        return (self.record.revision, self.statement.digest) == (revision, digest.hex())


read_pending: Final = msgspec.json.Decoder(PendingStatement).decode


class Superseded(Struct, frozen=True):
    """The statement changes nothing: it was told before (`repeated`), or a newer one was."""

    repeated: bool


def stated(
    record: OrderRecord | None,
    statement: KeyedState,
    revision: int,
    at: int,
    former_digest: str | None = None,
) -> OrderRecord | Superseded:
    """Returns the order after a statement, as the given revision. `former_digest`: how its digest
    was stored before digests were keyed. Raises KeyReused."""
    keys = {statement.key: statement.digest}
    if record is None:
        return OrderRecord(
            state=statement.state,
            buyer=statement.buyer,
            revision=revision,
            first_at=at,
            programs=(statement.program,) if statement.program else (),
            keys=keys,
            in_ledgers=statement.state.facts(at) is not None,
        )
    digest = record.keys.get(statement.key)
    if digest is not None and digest not in {statement.digest, former_digest}:
        raise KeyReused(key=statement.key, path="key")
    is_new_program = statement.program not in (0, *record.programs)
    if digest is not None and not is_new_program:
        return Superseded(repeated=True)
    wins = digest is None and _wins(record.state, statement.state)
    if not wins and not is_new_program:
        return Superseded(repeated=False)
    state, buyer, former = record.state, record.buyer, record.former
    if wins:
        state = _merged(record.state, statement.state)
        if state.customer == statement.state.customer:
            buyer = statement.buyer
        if not buyer.is_same(record.buyer):
            others = (*former, record.buyer) if record.in_ledgers else ()
            former = tuple(person for person in others if not person.is_same(buyer))
        elif not buyer.number:
            buyer = replace(buyer, number=record.buyer.number)
    newest = dict(list((record.keys | keys).items())[-KEYS_MAX:])
    programs = tuple(sorted({*record.programs, statement.program} - {0}))
    return replace(
        record,
        state=state,
        buyer=buyer,
        revision=revision,
        programs=programs,
        former=former,
        keys=newest,
        in_ledgers=record.in_ledgers or state.facts(record.first_at) is not None,
    )


def _wins(stored: OrderState, state: OrderState) -> bool:
    return state.as_of is None or stored.as_of is None or state.as_of >= stored.as_of


def _merged(stored: OrderState, state: OrderState) -> OrderState:
    """A newer state as it is; one of the same or no instant with the larger of both numbers."""
    if state.as_of is not None and (stored.as_of is None or state.as_of > stored.as_of):
        return state
    other = state
    if state.as_of is not None:
        # Two of one instant: which came first says nothing.
        other = max(stored, state, key=_canonical)
    return replace(
        other,
        as_of=stored.as_of,
        paid=max(stored.paid, state.paid),
        refunded=max(stored.refunded, state.refunded),
        cancelled=stored.cancelled or state.cancelled,
    )
