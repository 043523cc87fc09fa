"""Commands, and what their senders are told.

A command is one fact that somebody outside asserts about a member, validated and with a key (or
some attributes at once). It becomes one ledger entry (two when a first activity enrols, one for
each attribute), or it is refused and leaves nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import Struct

from tierline.errors import Invalid
from tierline.ledger.orders.differences import OrderTarget
from tierline.model import ids
from tierline.model.actor import Actor
from tierline.model.entries import Detail, Entry, EntryKind, Override
from tierline.model.events import Cause, EventKind
from tierline.model.tenant import Project

# What an activity says.
ActivityKind = Literal[
    "earn", "redeem", "adjust", "order", "refund", "custom", "approve", "void", "transfer"
]
SPEAKING: Final = frozenset({"refund", "void", "approve"})  # kinds that name another activity

# What operators do to members. Activities are none of it: they are what the ledger is for.
AUDITED: Final = frozenset({"adjust", "override", "release"})
_digest = hashlib.blake2b(digest_size=16)  # a copy costs less than a new one
_canonical = msgspec.json.Encoder(order="deterministic").encode


class Leg(Struct, frozen=True, gc=False):
    """The other half of a transfer. Of a `transfer_in`, and of the `void` that gives points back:
    the sender, and the key of their entry. Of a `transfer_out`: the recipient, where their id is
    known; they are found by `detail.counterpart` else."""

    customer: int
    key: str = ""


class Command(Struct, frozen=True, gc=False):
    """One fact to record. Made by `intake` or by the functions below, never by hand."""

    project: int  # its number
    program: int  # its number
    route: int  # where the customer lives: 16 bits
    customer: str  # source id; may be "" when `number` says who
    number: int  # the customer's own id; 0: found by source id
    key: str
    digest: bytes
    kind: EntryKind
    points: int | None = None
    amount: int | None = None
    occurred_at: int | None = None  # None: when it is recorded
    of: str | None = None  # the key of the activity that this one speaks of
    detail: Detail | None = None
    size: int = 200  # bytes that it holds while it waits
    leg: Leg | None = None
    textual: bool = False  # metadata is text from a file: it becomes what the rules need
    more: tuple[Detail, ...] = ()  # recorded before `detail`, as entries of their own: all or none
    corrects: str | None = None  # the key of the entry that is taken back first: both or none
    actor: Actor | None = None  # whose doing the audit log notes; of AUDITED kinds alone
    entry: Entry | None = None  # as another installation recorded it: nothing of it is checked
    order: OrderTarget | None = None  # what the ledger shall say of an order, named by `of` too

    @property
    def needs_customer(self) -> bool:
        """Whether nobody is named: the activity that `of` names says whose it is, or an order's
        other statements do."""
        return not self.customer and not self.number

    @property
    def is_final(self) -> bool:
        """Whether no later record of a file corrects it: an entry as another installation has it,
        or an order, which a further statement corrects."""
        return self.entry is not None or self.order is not None

    @property
    def sets_out(self) -> bool:
        """Whether points leave for somebody else: a second leg has to follow."""
        return self.kind == "transfer_out" and self.entry is None


class Assertion(Struct, frozen=True, gc=False):
    """What a command asserts: all of it goes into the digest that a repeated key is held to."""

    points: int | None = None
    amount: int | None = None
    occurred_at: int | None = None
    of: str | None = None
    detail: Detail | None = None


class TierChange(Struct, frozen=True, gc=False, array_like=True):
    """A change of tier that a command brought about."""

    kind: EventKind
    tier_from: str | None
    tier_to: str | None
    cause: Cause


class RuleGain(Struct, frozen=True, gc=False):
    """So many of an activity's points were given by this earning rule (`orders`: by
    `points.orders`)."""

    rule: str
    points: int


class Transfer(Struct, frozen=True, gc=False, omit_defaults=True):
    """What became of points that were sent to somebody. `returned`: they could not get them
    (`code`, `reason`), and the sender has them back."""

    to: str
    state: Literal["arrived", "in_transit", "returned"]
    code: str | None = None
    reason: str | None = None


class Answer(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the sender of a command is told: the entry, and the member right after it."""

    key: str
    entry: int
    points: int
    amount: int
    balance: int
    pending: int = 0
    tier: str | None = None
    since: int | None = None
    expires_at: int | None = None
    events: tuple[TierChange, ...] = ()
    repeated: bool = False  # this key was answered before; nothing was done again
    transfer: Transfer | None = None
    uncounted: str | None = None  # why no metric counts it, where its date is the cause
    rules: tuple[RuleGain, ...] = ()  # which earning rules gave the points
    correction_start: int | None = None  # a checkpoint, behind which it would have corrected more


class ProgramRef(Struct, frozen=True):
    """Whose commands these are: what every command of one project and program shares."""

    project: Project
    program: int


def command(
    program_ref: ProgramRef,
    kind: EntryKind,
    customer: str,
    assertion: Assertion,
    *,
    key: str | None = None,
    number: int = 0,
    size: int = 200,
) -> Command:
    """A command from validated parts. Without a key it gets one that nobody else has."""
    digest = _digest.copy()
    digest.update(_canonical((program_ref.program, kind, assertion)))
    return Command(
        project=program_ref.project.number,
        program=program_ref.program,
        route=ids.route_of_customer(number)
        if number
        else ids.route(program_ref.project.id, customer),
        customer=customer,
        number=number,
        key=key if key is not None else fresh_key(),
        digest=digest.digest(),
        kind=kind,
        points=assertion.points,
        amount=assertion.amount,
        occurred_at=assertion.occurred_at,
        of=assertion.of,
        detail=assertion.detail,
        size=size,
    )


def fresh_key() -> str:
    return "auto:" + os.urandom(12).hex()


def enrol(
    program_ref: ProgramRef,
    customer: str,
    *,
    key: str | None = None,
    number: int = 0,
    enrolled_at: int | None = None,
    tier: str | None = None,
    expires_at: int | None = None,
    quiet: bool = False,
) -> Command:
    """Make the customer a member; an import says since when, in which tier and until when."""
    detail = Detail(tier=tier, tier_expires_at=expires_at, quiet=quiet)
    assertion = Assertion(occurred_at=enrolled_at, detail=None if detail == Detail() else detail)
    return command(program_ref, "enrol", customer, assertion, key=key, number=number)


def leave(
    program_ref: ProgramRef, customer: str, *, key: str | None = None, number: int = 0
) -> Command:
    """End the membership. Points stay with the customer."""
    return command(program_ref, "leave", customer, Assertion(), key=key, number=number)


def override(
    program_ref: ProgramRef,
    customer: str,
    body: Override,
    *,
    key: str | None = None,
    number: int = 0,
) -> Command:
    """Assert a tier over the computed one, for a while or until released."""
    assertion = Assertion(detail=Detail(override=body))
    return command(program_ref, "override", customer, assertion, key=key, number=number)


def release(
    program_ref: ProgramRef,
    customer: str,
    override_id: int | None = None,
    *,
    key: str | None = None,
    number: int = 0,
) -> Command:
    """Take an override back; without an id, all of them."""
    assertion = Assertion(detail=Detail(released=override_id))
    return command(program_ref, "release", customer, assertion, key=key, number=number)


def attributes(
    program_ref: ProgramRef,
    customer: str,
    values: Mapping[str, str | int | bool | None],
    *,
    number: int = 0,
) -> Command:
    """Facts about the person (at least one) that criteria may ask for; None takes one away. Those
    that are taken away go first, and make room."""
    ordered = sorted(values.items(), key=lambda item: item[1] is not None)
    *more, last = [Detail(attribute=name, value=value) for name, value in ordered]
    made = command(program_ref, "attribute", customer, Assertion(detail=last), number=number)
    return msgspec.structs.replace(made, more=tuple(more), size=200 * len(ordered))


def opening(
    program_ref: ProgramRef,
    customer: str,
    points: int,
    detail: Detail,
    *,
    key: str,
    number: int = 0,
    occurred_at: int | None = None,
) -> Command:
    """Balances (and maybe a tier) brought from another system: `detail.lots` are part of
    `points`; `spent`, `tier`, `tier_since`, `tier_expires_at` and `quiet` count too."""
    assertion = Assertion(points=points, occurred_at=occurred_at, detail=detail)
    return command(program_ref, "opening", customer, assertion, key=key, number=number)


def transfer(
    program_ref: ProgramRef,
    customer: str,
    to: str,
    assertion: Assertion,
    *,
    key: str | None = None,
    number: int = 0,
    recipient: int = 0,
    size: int = 200,
) -> Command:
    """`said.points` from a member to another customer, whom the source id `to` finds, or their
    own id `recipient`; `detail` may have reason and metadata. Raises Invalid when it is the same
    customer."""
    if to == customer or (number and number == recipient):
        raise Invalid(path="to", reason="to: a transfer needs another customer.")
    detail = msgspec.structs.replace(assertion.detail or Detail(), counterpart=to)
    assertion = msgspec.structs.replace(assertion, detail=detail)
    made = command(
        program_ref, "transfer_out", customer, assertion, key=key, number=number, size=size
    )
    return msgspec.structs.replace(made, leg=Leg(recipient)) if recipient else made


def correction(corrected: Command, corrects: str, key: str) -> Command:
    """The same fact under a key of its own, in place of the entry with the key `corrects`."""
    return msgspec.structs.replace(corrected, corrects=corrects, key=key)


_QUIET = Detail(quiet=True)


def quietly(announced: Command) -> Command:
    """The same command, decided but not announced. Its digest stays: how a fact came in is no
    part of it."""
    detail = announced.detail
    quiet = _QUIET if detail is None else msgspec.structs.replace(detail, quiet=True)
    return msgspec.structs.replace(announced, detail=quiet)
