"""Where the parts are put together: one process that serves an installation.

`serve`, the demo and the tests start here, so that what is tested is what runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from tierline import __version__
from tierline.bootstrap import Installation
from tierline.clock import Clock, wall
from tierline.config import ServeOptions
from tierline.delivery.dispatcher import Dispatcher
from tierline.delivery.membership import MEMBERS
from tierline.delivery.metrics import Metrics
from tierline.delivery.tracing import tracer
from tierline.drain import GIVEN_UP, Announce, Drain
from tierline.endpoints.lifecycle import EndpointLifecycle
from tierline.endpoints.operations import EndpointOperations
from tierline.endpoints.settings import SenderSettings
from tierline.ledger import sandbox
from tierline.ledger.list_upkeep import ListUpkeep
from tierline.ledger.sweep.birthdate_walk import BirthdateWalk
from tierline.ledger.sweep.sweeper import Sweeper
from tierline.ledger.writer import Writer
from tierline.people.attempts import Attempts
from tierline.people.directory import Directory
from tierline.people.oidc import OidcSettings, OpenIdProvider, check_settings
from tierline.people.passwords import Passwords
from tierline.people.sessions import Sessions
from tierline.store.connection_counts import ADVANCES_MAX
from tierline.store.event_log import EventLog
from tierline.store.heartbeat import Heartbeat, Presence, roles_text
from tierline.store.notifications import Notifications
from tierline.store.shared_reads import CustomerReads, OrderReads
from tierline.transport.address_guard import Guard
from tierline.vendors.registry import FORMATS, VENDORS
from tierline.web import openapi
from tierline.web.asgi import App, HealthApp
from tierline.web.dependencies import CommitSignal, Dependencies
from tierline.web.export_files import EXPORTS_DIRECTORY, ExportFiles
from tierline.web.file_retention import IMPORTS_DIRECTORY, FileRetention
from tierline.web.metrics import HttpMetrics
from tierline.web.server import listening

CAUGHT_UP_SECONDS_MAX = 2


class Process:
    """One process's parts while it serves; made by `serving`."""

    def __init__(self, installation: Installation, options: ServeOptions, clock: Clock) -> None:
        self.installation = installation
        self.options = options
        self.clock = clock
        self.commit_signal = CommitSignal()
        self.registry = CollectorRegistry()
        self.url = ""  # known when it listens
        self.dependencies: Dependencies | None = None  # the same
        if options.oidc is not None:
            check_settings(OidcSettings(*options.oidc))
        self.settings = SenderSettings(
            allow=tuple(str(network) for network in options.allow),
            proxy=options.proxy,
            events_kept_s=_seconds(options.keep_events_days),
            attempt_texts_kept_s=_seconds(options.keep_attempt_texts_days),
            profiles_kept_s=_seconds(options.keep_profiles_days),
            audit_kept_s=_seconds(options.keep_audit_days),
            sole=options.whole and options.location.database_url is None,
            roles=roles_text(options.roles),
        )
        self.presence = Presence(self.settings.roles)
        self._sender: Dispatcher | None = None
        self._signal: Notifications | None = None
        self._writer: Writer | None = None
        self._sweeper: Sweeper | None = None
        self._watching: asyncio.Task[None] | None = None

    def committed(self, shard: int) -> None:
        """Events were committed in a shard, by this process."""
        self.commit_signal.notify()
        if self._sender is not None:
            self._sender.wake(shard)
        elif self._signal is not None:
            self._signal.tell(shard)

    def missing(self) -> list[str]:
        """The roles, and what they need, that do not work at the moment."""
        watching = self._watching
        roles = {"api": self._writer, "sender": self._sender, "sweeper": self._sweeper}
        missing = [name for name, role in roles.items() if role is not None and not role.working]
        if self.presence.draining:
            missing = [name for name in missing if name not in GIVEN_UP] + ["draining"]
        return [*missing, "catalog"] if watching is None or watching.done() else missing

    async def start(self, stack: AsyncExitStack) -> None:
        """Start the roles; the stack stops them in the opposite order."""
        database, catalog = self.installation.database, self.installation.catalog
        self._watch(stack)
        if "sender" in self.options.roles:
            announce = await self._start_sender(stack)
        else:
            announce = await self._start_signal(stack)
        if "api" in self.options.roles:
            writer = Writer(database, catalog, self.committed, clock=self.clock)
            await writer.start()
            self._writer = writer
            stack.push_async_callback(writer.stop)
            self._take_files_away(stack)
        if "sweeper" in self.options.roles:
            owner = self.presence.id
            sweeper = Sweeper(
                database, catalog, self.committed, self._writer, clock=self.clock, owner=owner
            )
            await sweeper.start()
            self._sweeper = sweeper
            catalog.on_change(sweeper.wake)
            stack.push_async_callback(sweeper.stop)
            lists = ListUpkeep(database, clock=self.clock)
            await lists.start()
            stack.push_async_callback(lists.stop)
        self._drain(stack, announce)
        await self._listen(stack)

    def _drain(self, stack: AsyncExitStack, announce: Announce) -> None:
        """Hears when it is asked to give up its work."""
        drain = Drain(self.presence, self._sender, self._sweeper, announce)
        hearing = asyncio.create_task(drain.run(), name="drain")

        async def end() -> None:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

        stack.push_async_callback(end)

    async def join_link(self) -> str | None:
        """Returns a link for the first user; None once there is one, and without the role `api`."""
        if "api" not in self.options.roles:
            return None
        directory = Directory(self.installation.database, Passwords())
        secret = await directory.first_link(self.clock())
        return None if secret is None else f"{self.url}/join?token={secret}"

    def _watch(self, stack: AsyncExitStack) -> None:
        self._watching = asyncio.create_task(self.installation.catalog.watch(), name="catalog")
        stack.callback(self._watching.cancel)
        database, uses = self.installation.database, self.installation.catalog.key_uses
        writing = asyncio.create_task(uses.keep(database, self.clock), name="key uses")
        stack.callback(writing.cancel)

    def _take_files_away(self, stack: AsyncExitStack) -> None:
        """Imports and exports lie on the machine that took or made them."""
        files = self.installation.files.expanduser()
        directories = [files / name for name in (IMPORTS_DIRECTORY, EXPORTS_DIRECTORY)]
        retention = FileRetention(directories, self._files_kept_ms, self.clock)
        looking = asyncio.create_task(retention.run(), name="files")
        stack.callback(looking.cancel)

    @property
    def _files_kept_ms(self) -> int:
        return self.options.keep_files_days * 86_400_000

    async def _start_sender(self, stack: AsyncExitStack) -> Announce:
        metrics = Metrics()
        metrics.register(self.registry)
        database, catalog = self.installation.database, self.installation.catalog
        sender = Dispatcher(
            database,
            catalog,
            FORMATS,
            self.settings,
            self.clock,
            metrics=metrics,
            trace=tracer(),
        )
        self.presence = sender.membership.presence
        await sender.start()
        self._sender = sender
        stack.push_async_callback(sender.stop)
        return sender.membership.announce

    async def _start_signal(self, stack: AsyncExitStack) -> Announce:
        """Senders elsewhere hear of our commits at once, and we of theirs."""
        heartbeat = Heartbeat(self.installation.database, self.presence)
        await heartbeat.start()
        stack.push_async_callback(heartbeat.stop)

        def heard(message: str) -> None:
            if message == MEMBERS:
                heartbeat.look()
            self.commit_signal.notify()

        signal = Notifications(self.installation.database, heard)
        await signal.start()
        self._signal = signal
        stack.push_async_callback(signal.stop)
        return heartbeat.give

    async def _listen(self, stack: AsyncExitStack) -> None:
        """Every process says how it is; with the role `api` it serves all the rest, too."""
        log = EventLog(self.installation.database)
        stack.push_async_callback(log.close)
        stack.push_async_callback(self.commit_signal.end)
        dependencies = self.dependencies = self.parts(log)
        serves_api = self._writer is not None
        app = HealthApp(dependencies)
        if serves_api:
            pages = console_routes(dependencies) if self.options.console else ()
            app = App(dependencies, [*vendor_routes(dependencies), *pages])
        self.url = await stack.enter_async_context(
            listening(app, self.options.host, self.options.port)
        )
        # Before the server waits for requests under way: long polls are answered, not cut off.
        stack.callback(self.commit_signal.close)

    def _poke(self) -> None:
        if self._sender is not None:
            self._sender.poke()

    async def _caught_up(self) -> None:
        """Our sender has taken in what was changed; it is not waited for if the database hangs."""
        if self._sender is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sender.caught_up(), CAUGHT_UP_SECONDS_MAX)

    def _operations(self, log: EventLog) -> EndpointOperations:
        catalog, guard = self.installation.catalog, Guard(self.settings.allow)
        control = EndpointLifecycle(log, catalog, FORMATS, self.settings, self.clock, self._poke)
        return EndpointOperations(
            log, catalog, FORMATS, guard=guard, control=control, clock=self.clock,
            caught_up=self._caught_up,
        )  # fmt: skip

    def parts(self, log: EventLog) -> Dependencies:
        """What the HTTP side is made of."""
        database, catalog = self.installation.database, self.installation.catalog
        metrics = HttpMetrics(self._writer, self._sweeper, database, self.presence)
        # Without the role `api` no route gives it anything: it is not started.
        writer = self._writer or Writer(database, catalog, self.committed, clock=self.clock)
        self.registry.register(metrics)

        async def open_writer() -> Writer:
            return writer

        shards = range(database.shards)
        walks = [BirthdateWalk(database, catalog, s, open_writer, self.clock) for s in shards]

        advances = asyncio.Semaphore(ADVANCES_MAX)
        if self._writer is not None:  # else no route moves a clock
            database.counts.allow("sweep", ADVANCES_MAX * database.shards)

        async def advance(project: int, to: int) -> None:
            facts = (database, catalog, self.committed, project, to)
            async with advances:
                for walk in walks:
                    await walk.at_once(catalog.project(project))
                await sandbox.advance(*facts, clock=self.clock)

        directory = Directory(database, Passwords())
        oidc = self.options.oidc
        provider = None if oidc is None else OpenIdProvider(OidcSettings(*oidc), catalog.box)
        return Dependencies(
            provider=provider,
            database=database,
            catalog=catalog,
            writer=writer,
            log=log,
            clock=self.clock,
            advance=advance,
            operations=self._operations(log),
            directory=directory,
            sessions=Sessions(database, catalog.box, directory, Attempts(database)),
            commit_signal=self.commit_signal,
            reads=CustomerReads(database),
            order_reads=OrderReads(database),
            exports=ExportFiles(
                self.installation.files.expanduser() / EXPORTS_DIRECTORY, self._files_kept_ms
            ),
            metrics=metrics,
            files=self.installation.files.expanduser(),
            loopback=self.options.loopback,
            console=self.options.console,
            pages_apart=self.options.pages_apart,
            allow=self.settings.allow,
            roles=self.options.roles,
            ready=self.missing,
            documents=vendor_documents(),
            registry=self.registry,
        )


def vendor_apis() -> Iterator[tuple[str, Any]]:
    """The packages `vendors/<name>/api` of the vendors that have an API, by name."""
    for vendor in VENDORS:
        package = f"tierline.vendors.{vendor.name}.api"
        if find_spec(package) is not None:
            yield vendor.name, import_module(package)


def _seconds(days: int | None) -> int | None:
    return None if days is None else days * 86_400


def vendor_routes(dependencies: Dependencies) -> list[BaseRoute]:
    """What each package's `routes` makes of these."""
    return [route for _, api in vendor_apis() for route in api.routes(dependencies)]


def vendor_documents() -> dict[str, Callable[[], bytes]]:
    """The OpenAPI of each package that has a `DESCRIBED`, made when it is asked for first."""
    apis = {name: getattr(api, "DESCRIBED", None) for name, api in vendor_apis()}
    return {name: cache(partial(_document, api)) for name, api in apis.items() if api is not None}


def _document(api: openapi.DescribedApi) -> bytes:
    return msgspec.json.encode(openapi.document(api.operations, __version__, api))


def console_routes(dependencies: Dependencies) -> list[BaseRoute]:
    """The console's routes; without a console nothing of it is loaded."""
    routes: list[BaseRoute] = import_module("tierline.console.routes").routes(dependencies)
    return routes


@asynccontextmanager
async def serving(
    installation: Installation, options: ServeOptions, *, clock: Clock = wall
) -> AsyncIterator[Process]:
    """The roles of one process, running inside; then requests under way end, and all stops."""
    async with AsyncExitStack() as stack:
        process = Process(installation, options, clock)
        await process.start(stack)
        yield process
