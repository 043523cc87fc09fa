"""The transition table: which event follows from where a member was and where they are now.

Every event of the engine is a difference of one step function, the tier that the world sees; the
table is its whole alphabet. A place is a rank (0 is the lowest tier) or None for no tier.
"""

from __future__ import annotations

from typing import Literal

from tierline.model.events import EventKind

Relation = Literal["none", "same", "higher", "lower"]

# (was in a tier?, is now …) -> event. `renewed` marks a term that began anew or is being held
# although the tier is no longer earned: the only case in which staying is news.
TRANSITIONS: dict[tuple[bool, Relation, bool], EventKind | None] = {
    (False, "none", False): None,
    (False, "none", True): None,
    (False, "higher", False): "joined",
    (False, "higher", True): "joined",
    (True, "higher", False): "upgraded",
    (True, "higher", True): "upgraded",
    (True, "lower", False): "downgraded",
    (True, "lower", True): "downgraded",
    (True, "none", False): "left",
    (True, "none", True): "left",
    (True, "same", False): None,
    (True, "same", True): "prolonged",
}


def transition(was: float | None, now: float | None, *, renewed: bool = False) -> EventKind | None:
    """The event for a move from rank `was` to rank `now`."""
    relation: Relation
    if now is None:
        relation = "none"
    elif was is None or now > was:
        relation = "higher"
    else:
        relation = "same" if now == was else "lower"
    return TRANSITIONS[was is not None, relation, renewed]
