"""Ledgers in memory that are told of one order: what a writer decides, without a database."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from tierline.errors import TierlineError
from tierline.ledger import commands
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.commands import Command
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.orders.record import Buyer, KeyedState, OrderRecord, Superseded, stated
from tierline.model.orders import OrderState
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.rules.program import Program, Rules, Version

PROGRAM = 1


class OrderBook:
    """The order `1001` of some customers: statements, and what others refund of it."""

    def __init__(self, rules: Rules, now: int) -> None:
        self.project = Project(id="proj_x", number=1, name="Shop")
        version = Version(number=1, effective_at=0, rules=rules)
        self.program = Program("club", self.project.id, "UTC", "USD", (version,))
        self.now = now
        self.parser = CommandParser(self.project, PROGRAM)
        self.record: OrderRecord | None = None
        self.members: dict[str, MemberAggregate] = {}
        self.refunded = 0  # by others, of the order as it stands

    def member(self, name: str) -> MemberAggregate:
        if name not in self.members:
            number = 1 + len(self.members)
            member = MemberAggregate(number, PROGRAM, self.program, Standing(), self.now)
            member.history = []  # all that there is was taken here
            joined = self.now - 100 * 86_400_000
            member.take(0, commands.enrol(self.parser.program_ref, name, enrolled_at=joined))
            self.members[name] = member
        return self.members[name]

    def tell(self, state: OrderState) -> None:
        """A statement, as the API takes it; twice is once."""
        text = repr(state)
        statement = KeyedState(text, text.encode().hex(), PROGRAM, state, Buyer(state.customer))
        revision = 1 if self.record is None else self.record.revision + 1
        after = stated(self.record, statement, revision, self.now)
        if isinstance(after, Superseded):
            return
        self.record = replace(after, former=())
        if after.in_ledgers:
            command = self._command(state, f"s-{revision}")
            self._take(after.buyer.name, replace(command, order=after.target("1001")))
            for person in after.former:
                none = after.target_of_former("1001")
                self._take(person.name, replace(command, key=f"moved-{revision}", order=none))

    def refund(self, kind: str, amount: int | None) -> int | None:
        """What others refund of the order, by its name; returns how much, None if refused."""
        if self.record is None:
            return None
        member = self.member(self.record.buyer.name)
        fields: dict[str, Any] = {"kind": kind, "of": "1001", "customer": "x"}
        if amount is not None:
            fields["amount"] = amount
        before = member.booking("1001").refunded_by_others
        try:
            member.take(0, self.parser.activity(json.dumps(fields).encode(), self.now))
        except TierlineError:
            return None
        return member.booking("1001").refunded_by_others - before

    def _command(self, state: OrderState, key: str) -> Command:
        fields = {"kind": "order", "order": "1001", "customer": state.customer, "key": key}
        return self.parser.activity(json.dumps(fields).encode(), self.now)

    def _take(self, name: str, command: Command) -> None:
        self.member(name).take(0, replace(command, customer=name))

    def standings(self) -> dict[str, Any]:
        """What members have and what is counted of them; nobody who has nothing."""
        facts: dict[str, Any] = {}
        for name, member in self.members.items():
            standing = member.standing
            totals = {k: [t for t in days if t[1]] for k, days in standing.totals.items()}
            has = (standing.lots, standing.pending, standing.earned, standing.debt)
            if any(has) or any(totals.values()):
                pending = [(p.available_at, p.points) for p in standing.pending]
                facts[name] = (standing.lots, pending, standing.earned, standing.debt, totals)
        return facts
