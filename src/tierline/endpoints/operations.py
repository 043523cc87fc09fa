"""Endpoints by their callers' words: made, shown, changed, and told what to do.

Nobody sees a secret twice: it is in the answer that made it, and sealed afterwards. What is
answered is in force in this process (`caught_up`), and in others within half a second.
"""

from __future__ import annotations

import os
import secrets as chance
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import UnsetType
from msgspec.structs import asdict, replace

from tierline.clock import Clock
from tierline.endpoints import endpoint_body, health_records
from tierline.endpoints.compiled_endpoint import Formats
from tierline.endpoints.endpoint import (
    Dated,
    Endpoint,
    EndpointSecrets,
    Mode,
    check,
    decode_endpoint,
    decode_secrets,
)
from tierline.endpoints.endpoint_body import (
    EndpointBody,
    Json,
    ReplayBody,
    RewindBody,
    RotateBody,
    TestBody,
)
from tierline.endpoints.event_facts import EventFilter
from tierline.endpoints.health import Health
from tierline.endpoints.lifecycle import EndpointLifecycle
from tierline.endpoints.signatures import is_shown_to_endpoints, signatures
from tierline.errors import NotFound
from tierline.model import ids, validation
from tierline.model.calendar import format_instant
from tierline.model.tenant import Project
from tierline.model.validation import FieldWarning
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.endpoints import EndpointRow
from tierline.store.event_log import EventLog
from tierline.transport.address_guard import Guard, canonical_url
from tierline.vendors.standard import signing
from tierline.vendors.vendor import kind_names

_HIDDEN = frozenset({"number", "project", "last_run", "retried_at", "points", "sandbox_since"})
_STATES = {"healthy": "active", "failing": "failing", "paused": "paused"}


class EndpointOperations:
    """Endpoints of all projects. `granted` are the scopes of the key that asks."""

    def __init__(
        self,
        log: EventLog,
        catalog: Catalog,
        formats: Formats,
        *,
        guard: Guard,
        control: EndpointLifecycle,
        clock: Clock,
        caught_up: Callable[[], Awaitable[None]],
    ) -> None:
        self.log = log
        self.catalog = catalog
        self.formats = formats
        self.guard = guard
        self.control = control
        self.clock = clock
        self.caught_up = caught_up

    # Making and changing

    async def add(
        self, project: Project, body: EndpointBody, granted: frozenset[str], **facts: Any
    ) -> Json:
        """Raises Invalid, NotFound for a program, Forbidden for a missing scope. `facts` are what
        a vendor's route says besides, such as `vendor_id`."""
        body = endpoint_body.normalised(body)
        if isinstance(body.url, UnsetType):
            raise validation.invalid("url", "it is needed")
        born = Endpoint("ep_" + chance.token_hex(10), 0, project.number, body.url, **facts)
        endpoint = endpoint_body.applied(born, body, self.formats)
        secrets, secret_fields = self._fresh_secrets(body)
        self._check(project, endpoint, secrets, granted)
        await self._check_tiers(project, endpoint)
        secret_fields |= await self._vendors_secret(project, endpoint, secrets)
        now = self.clock()
        endpoint, start_at = endpoint_body.begun(project, endpoint, body, now)
        row = await self.catalog.add_endpoint(
            project.number, endpoint.id, _text(endpoint), _bytes(secrets), start_at, now
        )
        await self.caught_up()
        return {**self._view(row, Health()), **self._warnings(project, row), **secret_fields}

    async def change(
        self, project: Project, id_: str, body: EndpointBody, granted: frozenset[str]
    ) -> Json:
        """What is unset stays; who turns to a vendor's format is shown the secret that it needs.
        Raises as `add`, and Conflict where somebody else changed it."""
        row, body = self.find(project, id_), endpoint_body.normalised(body)
        if not isinstance(body.since, UnsetType):
            what = "is set when an endpoint is made; to send again from an instant on, use rewind"
            raise validation.invalid("since", what)
        endpoint = endpoint_body.applied(decode_endpoint(row.body), body, self.formats)
        secrets = endpoint_body.with_secrets(decode_secrets(row.secrets), body, self.clock())
        # What waits after a failure is of customers, wherever the endpoint turns to now.
        endpoint_body.require_scopes(decode_endpoint(row.body), granted)
        self._check(project, endpoint, secrets, granted)
        if not isinstance(body.tiers, UnsetType):
            await self._check_tiers(project, endpoint)
        secret_fields = await self._vendors_secret(project, endpoint, secrets)
        text, sealed = _text(endpoint), _bytes(secrets)
        expected = row.revision if isinstance(body.revision, UnsetType) else body.revision
        if endpoint.order != decode_endpoint(row.body).order:
            changed = await self.control.reorder(row, text, sealed, expected, self.caught_up)
        else:
            changed = await self.catalog.change_endpoint(
                row.number, now=self.clock(), body=text, secrets=sealed, expected=expected
            )
        await self.caught_up()
        health = await self.control.inspection.health(changed)
        warnings = self._warnings(project, changed)
        return {**self._view(changed, health), **warnings, **secret_fields}

    async def remove(self, project: Project, id_: str) -> None:
        await self.control.delete(self.find(project, id_))
        await self.caught_up()

    # Showing

    def find(self, project: Project, id_: str) -> EndpointRow:
        return find_endpoint(self.catalog, project, id_)

    def of(self, project: Project) -> list[EndpointRow]:
        return [row for row in self.catalog.endpoints() if row.project == project.number]

    async def show(self, project: Project, id_: str) -> Json:
        """With its health, its lag, and the replays that are not over."""
        row = self.find(project, id_)
        lag = await self.control.inspection.lag(row)
        replays = await self.control.replays.running(row)
        return {
            **self._view(row, await self.control.inspection.health(row)),
            "lag": {
                "events": lag.events,
                "oldest_at": _instant(lag.oldest_at),
                "retrying": lag.retrying,
                "parked": lag.parked,
            },
            "replays": sorted({replay["run"] for replay in replays}),
        }

    async def list(self, project: Project) -> list[Json]:
        rows = self.of(project)
        healths = await health_records.read(self.log, {row.number: row.id for row in rows})
        return [self._view(row, healths[row.number]) for row in rows]

    async def attempts(
        self, project: Project, id_: str, which: EventFilter, before: int | None, limit: int
    ) -> tuple[Sequence[Json], int | None]:
        """The newest first, and the instant before which to go on; None at the end."""
        rows = await self.control.inspection.attempts(
            self.find(project, id_), which, before=before, limit=limit
        )
        if len(rows) < limit:
            return [_attempt(row) for row in rows], None
        last, first = rows[-1]["at"], rows[0]["at"]
        # Rather an attempt twice than one of the same millisecond left out.
        return [_attempt(row) for row in rows], last if last == first else last + 1

    async def lanes(self, project: Project, id_: str, which: EventFilter) -> Sequence[Json]:
        """Whose events wait after a failure, and what for; the oldest first."""
        row = self.find(project, id_)
        mode = decode_endpoint(row.body).order
        return [_lane(lane, mode) for lane in await self.control.inspection.lanes(row, which)]

    # Telling it what to do

    async def pause(self, project: Project, id_: str) -> Json:
        await self.control.pause(self.find(project, id_))
        return await self.show(project, id_)

    async def resume(self, project: Project, id_: str) -> Json:
        await self.control.resume(self.find(project, id_))
        return await self.show(project, id_)

    async def retry(self, project: Project, id_: str) -> Json:
        await self.control.retry(self.find(project, id_))
        return await self.show(project, id_)

    async def rotate(
        self, project: Project, id_: str, body: RotateBody, granted: frozenset[str]
    ) -> Json:
        """The new secret (of a key pair its public half), for the only time. Raises Forbidden: who
        has the secret of an endpoint that hears customers can speak in its name."""
        row = self.find(project, id_)
        endpoint_body.require_scopes(decode_endpoint(row.body), granted)
        fresh = await self.control.rotate(row, kind=body.kind, overlap_s=body.overlap)
        await self.caught_up()
        name = "secret" if body.kind == "hmac" else "public_key"
        return {"id": row.id, name: fresh, "signatures": self._signatures(self.find(project, id_))}

    async def rewind(self, project: Project, id_: str, body: RewindBody) -> Json:
        await self.control.replays.rewind(
            self.find(project, id_), validation.instant(body.since, "since")
        )
        return await self.show(project, id_)

    async def replay(self, project: Project, id_: str, body: ReplayBody) -> Json:
        """Starts it, or with `dry_run` counts only. Raises Invalid for one that names no events."""
        row, request = self.find(project, id_), body.replay()
        if not body.dry_run:
            return {"run": await self.control.replays.start(row, request)}
        count = await self.control.count_replay(row, request)
        return {"run": None, "events": count.events, "complete": count.complete}

    async def stop_replay(self, project: Project, id_: str, run: int) -> None:
        await self.control.replays.stop(self.find(project, id_), run)

    async def test(self, project: Project, id_: str, body: TestBody) -> Json:
        """What came back for a made-up event: by default the first kind that is heard."""
        row = self.find(project, id_)
        endpoint = decode_endpoint(row.body)
        names = kind_names(self.formats[endpoint.format])
        heard = [k for k, wire in names.items() if {k, wire}.intersection(endpoint.kinds)]
        kind = body.kind or (heard or [*names])[0]
        secret_fields = await self.control.test(row, kind)
        return {"kind": kind, **msgspec.to_builtins(secret_fields)}

    # Inside

    def _check(
        self,
        project: Project,
        endpoint: Endpoint,
        secrets: EndpointSecrets,
        granted: frozenset[str],
    ) -> None:
        endpoint_body.check_kinds(endpoint, self.formats)
        programs = {row.id for row in self.catalog.programs(project.number, deleted=True)}
        for i, program in enumerate(endpoint.programs):
            if program not in programs:
                raise NotFound(what="program", name=program, path=f"programs[{i}]")
        endpoint_body.require_scopes(endpoint, granted)
        check(endpoint, secrets, self.guard)

    def _warnings(self, project: Project, row: EndpointRow) -> Json:
        """What works, but probably not as meant: another endpoint at the same URL."""
        url = canonical_url(decode_endpoint(row.body).url)
        twins = [
            other.id
            for other in self.of(project)
            if other.number != row.number and canonical_url(decode_endpoint(other.body).url) == url
        ]
        if not twins:
            return {"warnings": ()}
        reason = (
            f"{', '.join(twins)} sends to this URL, too, so an event that both hear comes twice"
        )
        return {"warnings": (FieldWarning("url", f"{reason}."),)}

    async def _check_tiers(self, project: Project, endpoint: Endpoint) -> None:
        """Raises Invalid for a tier that none of its programs has, or ever had."""
        if not endpoint.tiers:
            return
        tiers: dict[str, None] = {}
        for row in self.catalog.programs(project.number, deleted=True):
            if not endpoint.programs or row.id in endpoint.programs:
                program = await self.catalog.program_numbered(row.number)
                tiers.update(dict.fromkeys(t for v in program.versions for t in v.rank))
        for i, tier in enumerate(endpoint.tiers):
            if tier not in tiers:
                what = f"no program has a tier {tier!r}, but {', '.join(tiers) or 'none at all'}"
                raise validation.invalid(f"tiers[{i}]", what)

    def _fresh_secrets(self, body: EndpointBody) -> tuple[EndpointSecrets, Json]:
        """The secrets of a new endpoint, and those that its maker is shown."""
        secrets = endpoint_body.with_secrets(EndpointSecrets(), body, self.clock())
        if isinstance(body.secret, UnsetType):
            fresh = signing.new_secret(os.urandom(32))
            return replace(secrets, standard=(Dated(fresh),)), {"secret": fresh}
        if body.secret.startswith(signing.PRIVATE):
            return secrets, {"public_key": signing.public_key(body.secret)}
        return secrets, {}

    async def _vendors_secret(
        self, project: Project, endpoint: Endpoint, secrets: EndpointSecrets
    ) -> Json:
        """A vendor's header is signed with the project's secret, unless the endpoint brought one of
        its own. Who needs it first, a key or an endpoint, makes it and is shown it."""
        format_ = self.formats[endpoint.format]
        signature = format_.signature
        if signature is None or secrets.vendor or not endpoint.hears_customers:
            return {}
        if signature.secret in self.catalog.project_secrets(project.number):
            return {}
        fresh = chance.token_hex(32)
        made = await self.catalog.add_project_secret(project.number, signature.secret, fresh)
        if not made or not is_shown_to_endpoints(signature, format_):
            return {}
        return {"vendor_secret": fresh}

    def _signatures(self, row: EndpointRow) -> Json:
        endpoint, secrets = decode_endpoint(row.body), decode_secrets(row.secrets)
        format_ = self.formats.get(endpoint.format)
        answer: Json = msgspec.to_builtins(signatures(endpoint, secrets, format_, self.clock()))
        return answer

    def _view(self, row: EndpointRow, health: Health) -> Json:
        """Everything but secrets: of headers only the names."""
        endpoint, secrets = decode_endpoint(row.body), decode_secrets(row.secrets)
        fields = {name: value for name, value in asdict(endpoint).items() if name not in _HIDDEN}
        secret_fields: Json = msgspec.to_builtins(fields)
        paused = row.state == "paused"
        return {
            **secret_fields,
            **_away(self.log),
            "state": "paused" if paused else _STATES[health.state],
            "reason": "asked" if paused else health.reason,
            "headers": sorted(secrets.headers),
            "client_certificate": secrets.client_certificate is not None,
            "since": format_instant(
                row.start_at if endpoint.sandbox_since is None else endpoint.sandbox_since
            ),
            "revision": row.revision,
            "created_at": format_instant(row.created_at),
            "updated_at": format_instant(row.updated_at),
            "signatures": self._signatures(row),
        }


def _away(log: EventLog) -> Json:
    away = log.database.absent.numbers
    return {"away": away} if away else {}


def find_endpoint(catalog: Catalog, project: Project, id_: str) -> EndpointRow:
    """By our id, else by the one under which a vendor's route made it. Raises NotFound."""
    row = catalog.endpoint(project.number, id_)
    if row is not None:
        return row
    for other in catalog.endpoints():
        if other.project == project.number and decode_endpoint(other.body).vendor_id == id_:
            return other
    raise NotFound(what="endpoint", name=id_, path="endpoint")


def _lane(row: Json, mode: Mode) -> Json:
    """Under `fifo` one lane holds everybody's events, under `unordered` each holds one. What it
    says of its event is of the one that is tried next."""
    parked, facts = row["state"] == "parked", row["facts"]
    whose = ids.customer_id(row["key"]) if mode == "customer" and row["key"] else None
    return {
        "customer": facts.customer if facts is not None else None,
        "customer_id": facts.customer_id if facts is not None else whose,
        "event": facts.event if facts is not None else None,
        "kind": facts.kind if facts is not None else None,
        "state": row["state"],
        "attempts": row["attempt"],
        "first_at": format_instant(row["first_at"]),
        "due_at": None if parked else format_instant(row["due_at"]),
        "replay": row["run"] or None,
    }


def _attempt(row: Json) -> Json:
    facts = row.pop("facts")
    return {
        **row,
        "at": format_instant(row["at"]),
        "kind": facts.kind if facts is not None else None,
        "customer": facts.customer if facts is not None else None,
        "customer_id": facts.customer_id if facts is not None else None,
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else format_instant(at)


def _text(endpoint: Endpoint) -> str:
    return msgspec.json.encode(endpoint).decode()


def _bytes(secrets: EndpointSecrets) -> bytes:
    return msgspec.json.encode(secrets)
