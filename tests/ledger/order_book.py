"""Ledgers in memory that are told of orders: what a writer decides, without a database."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from msgspec.structs import replace

from tierline.errors import TierlineError
from tierline.ledger import commands
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.commands import Command
from tierline.ledger.member_aggregate import MemberAggregate
from tierline.ledger.orders.record import Buyer, KeyedState, OrderRecord, Superseded, stated
from tierline.model.orders import OrderFacts, OrderState
from tierline.model.standing import Standing
from tierline.model.tenant import Project
from tierline.rules.program import Program, Rules, Version

PROGRAM = 1
ORDER = "1001"


def club(rules: Rules) -> Program:
    return Program("club", "proj_x", "UTC", "USD", (Version(1, 0, rules),))


class OrderBook:
    """Orders of some customers: statements, and what others refund of them."""

    def __init__(self, program: Program, now: int) -> None:
        self.project = Project(
            id=program.project,
            number=1,
            name="Shop",
            time_zone=program.time_zone,
            currency=program.currency,
        )
        self.program = program
        self.now = now
        self.parser = CommandParser(self.project, PROGRAM)
        self.records: dict[str, OrderRecord] = {}
        self.members: dict[str, MemberAggregate] = {}
        # By member and entry: what its order was when it was booked.
        self.facts: defaultdict[str, dict[int, OrderFacts]] = defaultdict(dict)

    def member(self, name: str) -> MemberAggregate:
        if name not in self.members:
            number = 1 + len(self.members)
            member = MemberAggregate(number, PROGRAM, self.program, Standing(), self.now)
            member.history = []  # all that there is was taken here
            joined = self.now - 100 * 86_400_000
            member.take(0, commands.enrol(self.parser.program_ref, name, enrolled_at=joined))
            self.members[name] = member
        self.members[name].now = self.now
        return self.members[name]

    def tell(self, state: OrderState, order: str = ORDER) -> bool:
        """A statement, as the API takes it; False: it was told before."""
        text = repr(state)
        statement = KeyedState(text, text.encode().hex(), PROGRAM, state, Buyer(state.customer))
        record = self.records.get(order)
        revision = 1 if record is None else record.revision + 1
        after = stated(record, statement, revision, self.now)
        if isinstance(after, Superseded):
            return not after.repeated
        self.records[order] = replace(after, former=())
        if after.in_ledgers:
            command = self._command(state, order, f"s-{order}-{revision}")
            self._take(after.buyer.name, replace(command, order=after.target(order)))
            for person in after.former:
                none = after.target_of_former(order)
                moved = replace(command, key=f"moved-{order}-{revision}", order=none)
                self._take(person.name, moved)
        return True

    def refund(self, kind: str, amount: int | None, order: str = ORDER) -> int | None:
        """What others refund of an order, by its name; returns how much, None if refused."""
        if order not in self.records:
            return None
        name = self.records[order].buyer.name
        fields: dict[str, Any] = {"kind": kind, "of": order}
        if amount is not None:
            fields["amount"] = amount
        before = self.member(name).booking(order).refunded_by_others
        if not self.act(name, fields):
            return None
        return self.member(name).booking(order).refunded_by_others - before

    def act(self, name: str, fields: dict[str, Any]) -> bool:
        """Another activity; False: it was refused."""
        text = json.dumps({"customer": name, **fields}).encode()
        try:
            self.member(name).take(0, self.parser.activity(text, self.now))
        except TierlineError:
            return False
        return True

    def _command(self, state: OrderState, order: str, key: str) -> Command:
        fields = {"kind": "order", "order": order, "customer": state.customer, "key": key}
        return self.parser.activity(json.dumps(fields).encode(), self.now)

    def _take(self, name: str, command: Command) -> None:
        member = self.member(name)
        before = len(member.entries)
        member.take(0, replace(command, customer=name))
        facts = None if command.order is None else command.order.facts
        for entry in member.entries[before:]:
            if entry.kind == "order" and facts is not None:
                self.facts[name][entry.n] = facts

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
