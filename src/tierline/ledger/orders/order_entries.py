"""The entries that make a ledger say of an order what the shop says."""

from __future__ import annotations

from msgspec.structs import replace

from tierline.ledger.command_handlers import CommandContext, CommandSubject, draft, taken_back
from tierline.ledger.commands import Command
from tierline.ledger.orders.differences import Book, OrderTarget, Refund, Replace, differences
from tierline.ledger.reversal import Original
from tierline.model.entries import Detail, Entry
from tierline.model.standing import Standing


def order_entries(
    aggregate: CommandSubject, command: Command, order: OrderTarget, standing: Standing, at: int
) -> list[Entry]:
    """Returns the entries, each on top of those before it; none where nothing differs."""
    booking = aggregate.booking(order.name)
    original = None if booking.entry_key is None else aggregate.original(booking.entry_key)
    taken = 0 if original is None else -original.amount_taken
    is_left = original is not None and original.is_left
    entries: list[Entry] = []
    for step in differences(order, booking, taken, is_left=is_left):
        after = aggregate.decide(standing, entries, at).standing if entries else standing
        if isinstance(step, Book):
            booked = _booked(command, order, step, exchange=bool(entries))
            entries += draft(aggregate, booked, after, at)
            original = Original(entries[-1])
            continue
        assert original is not None  # what is taken back was booked before
        back = _taking_back(command, order, step)
        entry = Entry(after.entries + 1, back.kind, at, at, detail=back.detail)
        entry = taken_back(CommandContext(aggregate, back, after, entry, entries), original)
        entries.append(_frees_gains(entry, original.entry))
    return entries


def _booked(command: Command, order: OrderTarget, step: Book, *, exchange: bool) -> Command:
    facts, quiet = step.facts, command.detail is not None and command.detail.quiet
    detail = Detail(order=order.name, exchange=exchange, metadata=facts.metadata, quiet=quiet)
    return replace(command, amount=facts.amount, occurred_at=facts.occurred_at, detail=detail)


def _frees_gains(entry: Entry, original: Entry) -> Entry:
    """Of an exchange: what the original gave by which rule and when; it may be given again."""
    given = original.detail
    if entry.detail is None or not entry.detail.exchange or given is None or not given.parts:
        return entry
    detail = replace(entry.detail, parts=given.parts)
    return replace(entry, detail=detail, occurred_at=original.recorded_at)


def _taking_back(command: Command, order: OrderTarget, step: Replace | Refund) -> Command:
    detail = Detail(order=order.name, quiet=command.detail is not None and command.detail.quiet)
    if isinstance(step, Replace):
        detail = replace(detail, exchange=step.anew)
        return replace(command, kind="void", amount=None, detail=detail)
    return replace(command, kind="refund", amount=step.amount, detail=detail)
