"""Which entry's points are still there, and which have expired: found from the ledger.

A standing keeps lots of equal expiry as one. Only a reversal asks whose points they are: it takes
back nothing that has already left by expiry. Of points that expire together, the oldest entry's
are spent first.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tierline.rules.points import Lots

Shares = dict[int | None, int]  # entry (None: nobody knows which), or expiry -> points


class LotOwners(Struct):
    """`lots` are the shares of each lot, by its expiry; `expired` what each entry lost of which
    lots; `spent` whose points each entry took."""

    lots: dict[int | None, Shares] = msgspec.field(default_factory=dict)
    expired: dict[int | None, Shares] = msgspec.field(default_factory=dict)
    spent: dict[int | None, Shares] = msgspec.field(default_factory=dict)

    def add(self, expires_at: int | None, owner: int | None, points: int, at: int) -> None:
        """Points come into a lot; into one that is past already they only come to expire."""
        if expires_at is not None and expires_at <= at:
            self._lose(owner, expires_at, points)
            return
        _put(self.lots.setdefault(expires_at, {}), owner, points)

    def take(self, before: Lots, after: Lots, spender: int | None, first: int | None) -> None:
        """Points leave lots: those of the entry `first`, then the oldest entry's."""
        rest = dict(after)
        for expires_at, points in before:
            gone = points - rest.get(expires_at, 0)
            if gone == 0:
                continue
            shares = self.lots.get(expires_at, {})
            for owner, part in _parts(shares, gone, first):
                shares[owner] -= part
                if not shares[owner]:
                    del shares[owner]
                if part and spender is not None:
                    theirs = self.spent.setdefault(spender, {})
                    theirs[owner] = theirs.get(owner, 0) + part

    def give_back(self, spender: int, expires_at: int | None, points: int, at: int) -> None:
        """Points that an entry took come back: the oldest entry's first."""
        theirs = self.spent.get(spender, {})
        for owner in sorted(theirs, key=lambda n: n or 0):
            part = min(points, theirs[owner])
            theirs[owner] -= part
            points -= part
            if part:
                self.add(expires_at, owner, part, at)
        if points:
            self.add(expires_at, None, points, at)

    def take_back(self, entry: int, expires_at: int | None, points: int) -> None:
        """Points of an entry that expired are taken back: they are not lost any more. `expires_at`:
        of this lot; None: of any."""
        lost = self.expired.get(entry, {})
        for lot in [x for x in lost if expires_at in (None, x)]:
            part = min(points, lost[lot])
            lost[lot] -= part
            points -= part

    def _lose(self, owner: int | None, expires_at: int, points: int) -> None:
        lost = self.expired.setdefault(owner, {})
        lost[expires_at] = lost.get(expires_at, 0) + points

    def copied(self) -> LotOwners:
        """Another one that says the same."""
        parts = (self.lots, self.expired, self.spent)
        return LotOwners(*({key: dict(shares) for key, shares in part.items()} for part in parts))

    def settle(self, lots: Lots) -> None:
        """Holds as many points as there are: what is too much goes, the oldest entry's first; of
        what is lacking nobody knows the owner."""
        points = dict(lots)
        held = tuple((x, sum(shares.values())) for x, shares in self.lots.items())
        self.take(held, tuple((x, min(n, points.get(x, 0))) for x, n in held), None, None)
        for expires_at, count in lots:
            shares = self.lots.setdefault(expires_at, {})
            if lacking := count - sum(shares.values()):
                _put(shares, None, lacking)

    def expire(self, at: int) -> None:
        """Every lot whose last day is over is gone."""
        for expires_at in [x for x in self.lots if x is not None and x <= at]:
            for owner, points in self.lots.pop(expires_at).items():
                self._lose(owner, expires_at, points)


def _put(shares: Shares, owner: int | None, points: int) -> None:
    """Adds points. Owners stand in the order of their entries, so that the oldest come first and
    long ledgers cost no sorting."""
    if owner in shares:
        shares[owner] += points
        return
    late = bool(shares) and (next(reversed(shares)) or 0) > (owner or 0)
    shares[owner] = points
    if late:
        ordered = sorted(shares.items(), key=lambda share: share[0] or 0)
        shares.clear()
        shares.update(ordered)


def _parts(shares: Shares, points: int, first: int | None) -> list[tuple[int | None, int]]:
    """Whose points go: those of the entry `first`, then the oldest entry's."""
    parts: list[tuple[int | None, int]] = []
    if first in shares:
        parts.append((first, min(points, shares[first])))
        points -= parts[0][1]
    for owner, count in shares.items():
        if points == 0:
            break
        if owner != first:
            parts.append((owner, min(points, count)))
            points -= parts[-1][1]
    return parts
