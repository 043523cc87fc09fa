"""Changes of programs that one person proposes and another one approves.

1. Where a project asks for it, no version of a program is written but by an approval: `admit`
   stands in the one way in which versions are written, so that every door keeps it. What the
   project asks for is read in that transaction, not from memory.
2. Only a user who is signed in approves, and never a change of their own: not what they proposed,
   nor what a key that they made did, or one that was made with such a key.
3. A change is based on the version that was the newest when it was proposed. Where that is not the
   newest any more, it is outdated.
4. The version and the decision are one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from tierline.clock import wall
from tierline.errors import Conflict, NoSuchRecord, TierlineError, TooLarge
from tierline.model.actor import SYSTEM, ActorKind
from tierline.model.tenant import Project
from tierline.rules.program import OnChange
from tierline.store.catalog import audit, projects
from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from asyncpg import Record

    from tierline.store.catalog.queries import Session

OPEN_MAX: Final = 100  # of one project
State = Literal["open", "approved", "rejected", "withdrawn"]


class ChangeRequestsSql(Queries, file="change_requests.sql"):
    """The statements of `sql/change_requests.sql`."""

    asks_for_approval: str
    add: str
    newest_version: str
    count_open: str
    one: str
    page: str
    decide: str
    key_makers: str


Sql = ChangeRequestsSql


class ApprovalNeeded(Conflict):
    """A change of a program of this project needs a second person's approval; propose it by POST
    /api/programs/{program}/change-requests, or in the console."""

    code = "approval_needed"


class OwnChange(TierlineError):
    """Whoever proposed a change cannot approve it; let another person do that."""

    code = "own_change"
    status = 403


class PersonNeeded(TierlineError):
    """Only a person who is signed in can approve a change, no key; do it in the console."""

    code = "person_needed"
    status = 403


class ChangeOutdated(Conflict):
    """The change was proposed for version {based_on} of the program, which is at version {latest}
    now; propose it anew."""

    code = "change_outdated"


class NothingProposed(Conflict):
    """The rules are those of version {version} already; there is nothing to approve."""

    code = "nothing_proposed"


class ChangeDecided(Conflict):
    """The change {change!r} is {state} already; propose another one."""

    code = "change_decided"


class ProposedChange(Struct, frozen=True):
    """A change to be noted. `body` and `request` as a version has them."""

    program: str
    body: str
    request: str
    effective_at: int | None
    on_change: OnChange
    supersede: bool
    reason: str


class StoredChange(Struct, frozen=True):
    """A change as it is stored. `based_on` is 0 for a new program; `version` holds the rules since
    it was approved."""

    id: str
    program: str
    based_on: int
    body: str
    request: str
    effective_at: int | None
    on_change: OnChange
    supersede: bool
    reason: str
    state: State
    proposed_at: int
    proposer_kind: ActorKind
    proposer: str
    decided_at: int | None
    decider: str | None
    version: int | None


async def add(connection: Session, project: Project, new: ProposedChange, based_on: int) -> str:
    """Notes a change; returns its id. The caller holds the revision. Raises ChangeOutdated where
    the newest version is not `based_on`, TooLarge where too many wait, and NotFound for a deleted
    project."""
    await projects.need(connection, project)
    latest = await connection.fetchval(Sql.newest_version, project.id, new.program) or 0
    if based_on != latest:
        raise ChangeOutdated(path="based_on", based_on=based_on, latest=latest)
    if await connection.fetchval(Sql.count_open, project.number) >= OPEN_MAX:
        raise TooLarge(what="list of proposed changes", limit=f"{OPEN_MAX}; decide on some first")
    actor, now = audit.current_actor() or SYSTEM, wall()
    id_ = "chg_" + audit.new_id(now).removeprefix("aud_")
    rules = (new.body, new.request, new.effective_at, new.on_change, new.supersede, new.reason)
    who = (now, actor.kind, actor.id)
    await connection.execute(Sql.add, id_, project.number, new.program, latest, *rules, *who)
    facts = {"change": id_, "version": latest}
    await audit.note(connection, project.number, "program.proposed", new.program, None, facts)
    return id_


async def one(connection: Session, project: int, id_: str) -> StoredChange:
    """Raises NoSuchRecord."""
    row = await connection.fetchrow(Sql.one, project, id_)
    if row is None:
        raise NoSuchRecord(what="change", name=id_, path="change")
    return _of_row(row)


async def page(
    connection: Session,
    project: int,
    state: State | None,
    program: str | None,
    after: str | None,
    limit: int,
) -> list[StoredChange]:
    """Returns a project's changes, the newest first, those before `after`."""
    rows = await connection.fetch(Sql.page, project, state, program, after, limit)
    return [_of_row(row) for row in rows]


async def admit(
    connection: Session, project: Project, program: str, approves: str | None, latest: int
) -> None:
    """Lets a version be written, and notes what was decided. `approves`: the change that it comes
    of; `latest`: the program's newest version. Raises ApprovalNeeded, OwnChange, PersonNeeded,
    ChangeOutdated and ChangeDecided."""
    if approves is None:
        if await connection.fetchval(Sql.asks_for_approval, project.number):
            raise ApprovalNeeded(path="program", program=program)
        return
    change = await one(connection, project.number, approves)
    await _check_decider(connection, change)
    if change.based_on != latest:
        raise ChangeOutdated(path="change", based_on=change.based_on, latest=latest)
    await _decide(connection, project, change, "approved", latest + 1)


async def turn_down(connection: Session, project: Project, id_: str) -> State:
    """Rejects a change, or withdraws one's own; returns which. Raises NoSuchRecord,
    ChangeDecided."""
    change = await one(connection, project.number, id_)
    actor = audit.current_actor() or SYSTEM
    own = (actor.kind, actor.id) == (change.proposer_kind, change.proposer)
    state: State = "withdrawn" if own else "rejected"
    await _decide(connection, project, change, state, None)
    return state


async def _check_decider(connection: Session, change: StoredChange) -> None:
    actor = audit.current_actor() or SYSTEM
    if actor.kind != "user":
        raise PersonNeeded
    makers = {change.proposer}
    if change.proposer_kind == "key":
        makers = {row["actor"] for row in await connection.fetch(Sql.key_makers, change.proposer)}
    if actor.id in makers:
        raise OwnChange


async def _decide(
    connection: Session, project: Project, change: StoredChange, state: State, version: int | None
) -> None:
    actor = audit.current_actor() or SYSTEM
    facts = (project.number, change.id, state, wall(), actor.id, version)
    if await connection.fetchval(Sql.decide, *facts) is None:
        raise ChangeDecided(path="change", change=change.id, state=change.state)
    kind, before = f"program.{state}", {"version": change.based_on}
    after = {"change": change.id, "version": version}
    await audit.note(connection, project.number, kind, change.program, before, after)


def _of_row(row: Record) -> StoredChange:
    return StoredChange(**row)
