"""The catalog: projects, keys, programs and endpoints, kept in memory and written in one way.

Every change is one transaction that first raises the installation's revision and stamps its rows
with it. So a process knows with a one-row select whether anything changed, and reads only rows
with a newer revision. Lookups are answered from memory; what decides money (rules, a sandbox's
clock) is checked again where it is used: a batch reads the program's newest version number in its
own transaction and asks `program_numbered` for at least that one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import structlog

from tierline.clock import wall
from tierline.errors import NotFound, TierlineError
from tierline.logging import RecurringFaults
from tierline.model import ids
from tierline.model.credentials import KeyKind
from tierline.model.tenant import Project
from tierline.rules.program import Program
from tierline.store.catalog import audit, closures, endpoints, key_uses, keys, programs, projects
from tierline.store.catalog.closures import Closure, StateChange, closures_of
from tierline.store.catalog.digests import Digests
from tierline.store.catalog.endpoints import EndpointRow, State, sealed_for
from tierline.store.catalog.keys import Key
from tierline.store.catalog.programs import NewVersion, ProgramRow, Put, Stamp
from tierline.store.catalog.projects import NewProject, ProjectChange
from tierline.store.catalog.queries import CatalogSql as Sql
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.database import Database

if TYPE_CHECKING:
    from tierline.store.catalog.queries import Session

ALL_SCOPES = frozenset(keys.SCOPES)
WATCH_SECONDS = 0.5
ASK_SECONDS = 0.05
SETTLE_MS = 200
_DATABASE_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_again = RecurringFaults(structlog.get_logger("tierline.catalog"))


class Catalog:
    """The small tables of one installation: `open` reads them, `refresh` follows others."""

    digests: Digests

    def __init__(self, database: Database, box: SecretBox, key_kinds: Iterable[KeyKind]) -> None:
        self.database = database
        self.box = box
        self.key_kinds = {kind.name: kind for kind in (keys.NATIVE, *key_kinds)}
        self.revision = -1
        self._projects: dict[int, Project] = {}
        self._secrets: dict[int, dict[str, str]] = {}
        self.closures: dict[int, Closure] = {}  # by program: what takes nothing new
        self._floors: dict[int, int] = {}
        self._keys: dict[str, Key] = {}
        self._programs: dict[int, dict[str, ProgramRow]] = {}  # by project and id
        self._numbered: dict[int, ProgramRow] = {}
        self._loaded: dict[int, Program] = {}
        self.endpoint_rows = endpoints.EndpointIndex()
        self.key_uses = key_uses.KeyUses()
        self._listeners: list[Callable[[], None]] = []
        self._refreshing = asyncio.Lock()
        self._shared: asyncio.Task[None] | None = None  # a refresh that has not begun
        self._imports_seen = audit.first_id(wall())
        self._refreshed_at = 0.0  # when the last shared one began

    @classmethod
    async def open(
        cls, database: Database, box: SecretBox, key_kinds: Iterable[KeyKind] = ()
    ) -> Catalog:
        """`key_kinds` are those besides the native one. Raises SecretKeyWrong when the box does
        not open what the database holds."""
        catalog = cls(database, box, key_kinds)
        await catalog.refresh()
        async with database.pool.acquire() as connection:
            catalog.digests = await Digests.of(connection, box)
        return catalog

    # Following changes ----------------------------------------------------------------------

    async def refresh(self) -> bool:
        """Take in what changed since last time, by whomever. True when anything did."""
        async with self._refreshing:
            return await self._follow()

    async def refresh_soon(self) -> None:
        """For who asked for what is not known here: a refresh that begins after they asked, shared
        by all who ask until then; the next begins ASK_SECONDS later at the soonest."""
        if self._shared is None:
            self._shared = asyncio.create_task(self._refresh_shared())
            self._shared.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._shared)

    async def _refresh_shared(self) -> None:
        now = asyncio.get_running_loop().time
        await asyncio.sleep(self._refreshed_at + ASK_SECONDS - now())
        async with self._refreshing:
            self._shared = None  # who asks from here on may ask for what this one does not see
            self._refreshed_at = now()
            await self._follow()

    async def _follow(self) -> bool:
        async with self.database.pool.acquire() as connection:
            if await connection.fetchval(Sql.revision) == self.revision:
                return False
            # One snapshot: no key without its project.
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                newest: int = await connection.fetchval(Sql.revision)
                await self._take_in(connection, self.revision)
            self.revision = newest
        for listener in self._listeners:
            listener()
        return True

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every refresh that found a change."""
        self._listeners.append(listener)

    async def watch(self) -> None:
        """Follow other processes' changes until cancelled; at most half a second behind."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001
                # Whatever it is: who stopped following would let disabled keys live on.
                away = isinstance(error, (TierlineError, *_DATABASE_AWAY))
                _again.warning("catalog_refresh_failed", error=str(error), exc_info=not away)

    async def _take_in(self, connection: Session, since: int) -> None:
        for row in await connection.fetch(Sql.projects_since, since):
            self._take_project(row)
        for row in await connection.fetch(Sql.keys_since, since):
            key = keys.of_row(row)
            if since >= 0:
                keys.log_change(key, self._keys.get(key.lookup), self._projects[key.project])
            self._keys[key.lookup] = key
        for row in await connection.fetch(Sql.programs_since, since):
            self._numbered[row["number"]] = ProgramRow(**row)
        self._programs = programs.by_project(self._numbered.values())
        self.closures = closures_of(self._projects, self._numbered.values())
        for row in await connection.fetch(Sql.endpoints_since, since):
            self._take_endpoint(row)
        self._projects = projects.hearing(self._projects, self.endpoint_rows.hears_customers)
        self._imports_seen = await audit.log_imports(connection, self._imports_seen)

    def _take_project(self, row: Any) -> None:
        number = row["number"]
        project = projects.of_row(row)
        before = self._projects.get(number)
        if before and (before.time_zone, before.currency) != (project.time_zone, project.currency):
            for program in self.programs(number):
                self._loaded.pop(program.number, None)
        self._projects[number] = project
        self._floors[number] = row["number_floor"]
        if row["secrets"] is not None:
            plain = self.box.open(row["secrets"], projects.sealed_for(project.id))
            self._secrets[number] = msgspec.json.decode(plain, type=dict[str, str])

    def _take_endpoint(self, row: Any) -> None:
        sealed = sealed_for(self._projects[row["project"]].id, row["id"])
        plain = b"" if row["state"] == "deleted" else self.box.open(row["secrets"], sealed)
        self.endpoint_rows.take(EndpointRow(**{**row, "secrets": plain}))

    # Projects and keys -----------------------------------------------------------------------

    def project(self, number: int) -> Project:
        return self._projects[number]

    def projects(self, *, deleted: bool = False) -> tuple[Project, ...]:
        return tuple(p for p in self._projects.values() if (p.state == "deleted") is deleted)

    def find_project(self, name: str) -> Project | None:
        """By id, else by name. Raises Conflict where several have that name."""
        return projects.find(self.projects(), name)

    def now(self, project: int, at: int) -> int:
        """A project's time: a sandbox's own clock, else the wall's."""
        clock = self._projects[project].clock
        return at if clock is None else clock

    def number_floor(self, project: int) -> int:
        """Customers' numbers that were imported lie at or below this."""
        return self._floors[project]

    def project_secrets(self, project: int) -> dict[str, str]:
        """What signs for a whole project, by the names that vendors give it."""
        return dict(self._secrets.get(project, {}))

    def key(self, lookup: str) -> Key | None:
        """A key that is not disabled."""
        key = self._keys.get(lookup)
        return key if key is not None and key.disabled_at is None else None

    def keys(self, project: int) -> tuple[Key, ...]:
        """All keys of a project, disabled ones too, oldest first."""
        return tuple(key for key in self._keys.values() if key.project == project)

    # Programs --------------------------------------------------------------------------------

    def programs(self, project: int, *, deleted: bool = False) -> tuple[ProgramRow, ...]:
        """A project's programs; with `deleted` also those that the log alone still names."""
        if not deleted:
            return tuple(self._programs.get(project, {}).values())
        return tuple(row for row in self._numbered.values() if row.project == project)

    def program(self, project: int, program_id: str) -> tuple[int, Program] | None:
        """A program with its newest known version, if it is in memory."""
        row = self._programs.get(project, {}).get(program_id)
        loaded = self._loaded.get(row.number) if row is not None else None
        if row is None or loaded is None or len(loaded.versions) < row.latest:
            return None
        return row.number, loaded

    def cached_program(self, number: int) -> Program | None:
        return self._loaded.get(number)

    async def need_program(self, project: int, program_id: str) -> tuple[int, Program]:
        """As `program`, read where it is not in memory. Raises NotFound."""
        if (match := self.program(project, program_id)) is not None:
            return match
        if program_id not in self._programs.get(project, {}):
            await self.refresh_soon()
        row = self._programs.get(project, {}).get(program_id)
        if row is None:
            raise NotFound(what="program", name=program_id, path="program")
        return row.number, await self.program_numbered(row.number, row.latest)

    async def program_numbered(self, number: int, latest: int = 0) -> Program:
        """A program with at least the version `latest`: what a transaction saw is never missed."""
        loaded = self._loaded.get(number)
        if loaded is not None and len(loaded.versions) >= latest:
            return loaded
        if number not in self._numbered:
            await self.refresh()
        await self._load([self._numbered[number]])
        return self._loaded[number]

    async def load_programs(self, numbers: Iterable[int]) -> None:
        """At once, what of these is not in memory; numbers that are not known are passed over."""
        missing = {n for n in numbers if n not in self._loaded and n in self._numbered}
        if rows := [self._numbered[number] for number in missing]:
            await self._load(rows)

    async def _load(self, rows: list[ProgramRow]) -> None:
        async with self.database.pool.acquire() as connection:
            by_number = await programs.load(connection, rows, self._projects)
        for number, program in by_number.items():
            loaded = self._loaded.get(number)
            if loaded is None or len(loaded.versions) < len(program.versions):
                self._loaded[number] = program

    # Endpoints, but for deleted ones ---------------------------------------------------------

    def hears_points(self, program: int) -> bool:
        """Whether any endpoint of a program's project asks for points events."""
        return self.endpoint_rows.hears_points(self._numbered[program].project)

    def endpoints(self) -> tuple[EndpointRow, ...]:
        return tuple(self.endpoint_rows.by_number.values())

    def endpoint(self, project: int, endpoint_id: str) -> EndpointRow | None:
        return self.endpoint_rows.named(project, endpoint_id)

    def endpoint_numbered(self, number: int) -> EndpointRow | None:
        return self.endpoint_rows.by_number.get(number)

    # Changing --------------------------------------------------------------------------------

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[tuple[Session, int]]:
        """The transaction of one change and its revision; afterwards this process knows it."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            revision: int = await connection.fetchval(Sql.raise_revision)
            yield connection, revision
        await self.refresh()

    async def add_project(self, new: NewProject, now: int) -> Project:
        """Raises Invalid for a zone or currency that there is not, Conflict for a taken id."""
        async with self.changing() as (connection, revision):
            number = await projects.add(connection, revision, new, now)
        return self._projects[number]

    async def change_project(self, number: int, change: ProjectChange) -> Project:
        """Raises Conflict for another zone or currency once the project has members."""
        held = [row.number for row in self.programs(number)]
        moves = change.time_zone is not None or change.currency is not None
        fixed = moves and await projects.have_members(self.database, held)
        async with self.changing() as (connection, revision):
            await projects.change(connection, revision, self._projects[number], change, fixed)
        return self._projects[number]

    async def change_state(self, change: StateChange) -> None:
        """Pauses, resumes, ends or deletes; others follow within a second. Raises NotFound."""
        async with self.changing() as (connection, revision):
            await closures.write(connection, revision, self._projects[change.project], change)

    async def move_clock(self, number: int, to: int) -> None:
        """Raises Conflict where the project is no sandbox, or its clock is later already."""
        async with self.changing() as (connection, revision):
            await projects.move_clock(connection, revision, self._projects[number], to)

    async def make_room(self, project: int, number: int) -> None:
        """Before a customer comes in with a number of their own: the floor rises by multiples."""
        if number > self.number_floor(project):
            floor = -(-number // ids.ROUTES) * ids.ROUTES
            async with self.changing() as (connection, revision):
                await connection.execute(Sql.raise_number_floor, project, floor, revision)

    async def add_project_secret(self, project: int, name: str, fresh: str) -> bool:
        """What signs for a project; False where it has a secret of that name already."""
        owner = self._projects[project]
        async with self.changing() as change:
            return await projects.add_secret(*change, self.box, owner, name, fresh)

    async def add_key(
        self,
        project: int,
        kind: str,
        scopes: Iterable[str],
        label: str,
        now: int,
        granted: frozenset[str] = ALL_SCOPES,
    ) -> dict[str, Any]:
        """A key; `granted` is what whoever is shown its secrets may do. Raises Forbidden."""
        kind_ = keys.kind_of(self.key_kinds, kind)
        new = keys.NewKey(kind_, keys.checked_scopes(scopes, kind_), label, now, granted)
        async with self.changing() as change:
            return await keys.add(*change, self.box, self._projects[project], new)

    async def add_first_keys(
        self, project: int, label: str, now: int, keep: Callable[[list[dict[str, Any]]], None]
    ) -> bool:
        """A key of each kind for a project that has none, else False. `keep` gets what is shown of
        them before they count: where it fails, there are none."""
        async with self.changing() as change:
            if await change[0].fetchval(Sql.any_key, project):
                return False
            owner, kinds = self._projects[project], [k for k in self.key_kinds.values() if k.first]
            new_keys = [keys.NewKey(k, keys.checked_scopes((), k), label, now) for k in kinds]
            keep([await keys.add(*change, self.box, owner, new) for new in new_keys])
        return True

    async def disable_key(self, key_id: str, now: int, project: int | None = None) -> None:
        """With all its doors, for good. Raises NotFound."""
        async with self.changing() as (connection, revision):
            await keys.disable(connection, revision, self.key_kinds, key_id, now, project)

    async def revoke_token(self, key: Key, token: bytes, now: int) -> None:
        """Raises TooLarge."""
        async with self.changing() as change:
            await keys.revoke(*change, key, token, now)

    async def put_program(self, project: int, program_id: str, new: NewVersion, now: int) -> Put:
        """A new version where the rules differ. Raises Invalid, Conflict (see programs.put)."""
        owner, began = self._projects[project], time.monotonic()
        async with self.changing() as (connection, revision):
            clock = await connection.fetchval(Sql.project_clock, project)
            waited = int((time.monotonic() - began) * 1000)  # for other changes
            stamp = Stamp(revision, now, now, SETTLE_MS + waited)
            if clock is not None:
                stamp = Stamp(revision, clock, now, 1)
            return await programs.put(connection, owner, program_id, new, stamp)

    async def add_endpoint(
        self, project: int, endpoint_id: str, body: str, secret: bytes, start_at: int, now: int
    ) -> EndpointRow:
        """An active endpoint that hears what is recorded from `start_at` on. Raises NotFound."""
        owner = self._projects[project]
        new = endpoints.NewEndpoint(endpoint_id, body, secret, start_at)
        async with self.changing() as (connection, revision):
            number = await endpoints.add(connection, self.box, revision, owner, new, now)
        return self.endpoint_rows.after_change(number, endpoint_id)

    async def change_endpoint(
        self, number: int, *, now: int, body: str | None = None, secrets: bytes | None = None,
        state: State | None = None, expected: int | None = None, action: str | None = None,
    ) -> EndpointRow:  # fmt: skip
        """None parts stay. The row afterwards. Raises NotFound, and Conflict where it was changed
        since the revision `expected`."""
        change = endpoints.Change(body, secrets, state, expected, action)
        async with self.changing() as (connection, revision):
            id_ = await endpoints.change(connection, self.box, revision, number, change, now)
        return self.endpoint_rows.after_change(number, id_)

    async def delete_endpoint(self, number: int, now: int) -> None:
        """For good. Raises NotFound where it is deleted already."""
        change = endpoints.Change(state="deleted")
        async with self.changing() as (connection, revision):
            await endpoints.change(connection, self.box, revision, number, change, now)
