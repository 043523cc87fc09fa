"""Metrics: what is counted towards a tier, and how much of it each ledger entry brings."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from tierline.model.entries import Entry, Origin

Source = Literal["balance", "earned", "spend", "count", "sum"]

# Which facts bring points that count as earned; what takes points away never lowers them
# (settled: redemption, expiry, manual removal and outbound transfers do not).
EARNING = frozenset({"earn", "order", "custom", "adjust", "transfer_in", "opening"})
REVERSALS = frozenset({"refund", "void"})


class Filter(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which activities qualify. Every part that is given must match."""

    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    not_metadata: dict[str, Any] = {}

    def concerns(self, kind: str, name: str | None) -> bool:
        """Whether activities of this kind and name are asked for their metadata."""
        return (not self.kinds or kind in self.kinds) and (not self.names or name in self.names)

    def admits(self, kind: str, name: str | None, metadata: dict[str, Any] | None) -> bool:
        facts = metadata or {}
        return (
            self.concerns(kind, name)
            and all(facts.get(k) == v for k, v in self.metadata.items())
            and not any(facts.get(k) == v for k, v in self.not_metadata.items())
        )


class Metric(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is counted.

    - `balance`: points that can be spent now
    - `earned`: points collected; spending and expiry do not lower it
    - `spend`: money, in minor units, net of refunds
    - `count`: how many activities (by default orders) match the filter
    - `sum`: the metadata number `of` of the matching activities (nights, miles, segments)
    """

    source: Source = "balance"
    filter: Filter | None = None
    include_pending: bool = False
    of: str | None = None

    @property
    def key(self) -> str:
        """Names what is counted: equal keys, equal totals, whatever the metric is called."""
        if self.filter is None and not self.include_pending and self.of is None:
            return self.source
        parts = self.filter or Filter()
        return "|".join(
            (
                self.source,
                "p" if self.include_pending else "",
                self.of or "",
                ",".join(sorted(parts.kinds)),
                ",".join(sorted(parts.names)),
                _facts(parts.metadata),
                _facts(parts.not_metadata),
            )
        )

    def counts(self, kind: str, name: str | None, metadata: dict[str, Any] | None) -> bool:
        """Whether activities of this sort qualify at all."""
        return self.filter is None or self.filter.admits(kind, name, metadata)

    def brings(self, entry: Entry) -> int:
        """What this entry adds on its own day; reversals are counted by `takes`."""
        detail = entry.detail
        if detail is None:
            return self._worth(entry.kind, None, None, entry.points, entry.amount, False)
        points, parts = entry.points, detail.differing
        waits = detail.available_at is not None and detail.available_at > entry.recorded_at
        if parts and not self.include_pending:
            at = entry.recorded_at
            points = sum(p.points for p in parts if p.available_at is None or p.available_at <= at)
        return self._worth(entry.kind, detail.name, detail.metadata, points, entry.amount, waits)

    def takes(self, entry: Entry, origin: Origin) -> int:
        """What a reversal takes from the day of what it reverses; never more than was brought."""
        if self.source in ("count", "sum"):
            brought = self._worth(origin.kind, origin.name, origin.metadata, 0, 0, False)
            return brought if origin.last else 0
        return self._worth(
            origin.kind, origin.name, origin.metadata, -entry.points, -entry.amount, False
        )

    def _worth(
        self,
        kind: str,
        name: str | None,
        metadata: dict[str, Any] | None,
        points: int,
        amount: int,
        pending: bool,
    ) -> int:
        filter_ = self.filter
        if not self.counts(kind, name, metadata):
            return 0
        match self.source:
            case "earned":
                if kind not in EARNING or points < 0 or (pending and not self.include_pending):
                    return 0
                return points
            case "spend":
                return amount
            case "count":
                named = filter_ is not None and (filter_.kinds or filter_.names)
                return 1 if (named or kind == "order") and kind not in REVERSALS else 0
            case "sum":
                value = (metadata or {}).get(self.of or "")
                return value if type(value) is int else 0
            case _:
                return 0


def _facts(facts: dict[str, Any]) -> str:
    return ",".join(f"{k}={facts[k]!r}" for k in sorted(facts))
