"""Points events: what happened to a member's points, for whoever asks for them."""

from __future__ import annotations

from tierline.engine.member_state import MemberState
from tierline.model.points_event import PointsEvent, PointsKind
from tierline.model.view import View

AS_IT_IS = ""  # the tier that the state shows; no tier is called so


def tell_points(
    state: MemberState,
    kind: PointsKind,
    points: int,
    entry: int | None = None,
    rule: str | None = None,
    *,
    waits: int = 0,
    tier: str | None = AS_IT_IS,
    view: View | None = None,
) -> None:
    """Adds a points event, where somebody asks for them and nothing is imported quietly. `tier`:
    the one that the member was in; `view`: the member now, where that was worked out already."""
    events = state.points_events
    if events is None or not points or (state.quiet and not state.tells_all):
        return
    view = state.view() if view is None else view
    balance = view.balance
    twin = 0
    for event in reversed(events):
        if event.at != state.at:
            break
        twin += (event.kind, event.entry, event.rule) == (kind, entry, rule)
    events.append(
        PointsEvent(
            kind=kind,
            at=state.at,
            points=points,
            balance=balance,
            pending=view.pending,
            entry=entry,
            rule=rule,
            waits=waits,
            total=balance + state.spent + state.expired,
            tier=state.tier if tier == AS_IT_IS else tier,
            joined_at=state.joined_at,
            attributes=state.attributes,
            twin=twin,
            version=state.version.number,
            view=view,
        )
    )
