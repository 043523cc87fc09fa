"""`serve` and `demo`: commands that run a server."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import structlog

from tierline import __version__
from tierline.app import serving
from tierline.bootstrap import Installation, first_start, open_installation
from tierline.clock import wall
from tierline.commands.installation_options import (
    TableConsole,
    location_of,
    location_options,
    run,
    settle_memory,
)
from tierline.config import (
    HOST_DEFAULT,
    PORT_DEFAULT,
    ROLES,
    Location,
    ServeOptions,
    parse_networks,
    parse_oidc,
    parse_roles,
)
from tierline.demo.run import DemoFailed, deliveries
from tierline.demo.shop import ShopTale, shop_tale
from tierline.demo.table import print_shop, print_table
from tierline.logging import configure
from tierline.store.database import where
from tierline.transport.tls import proxy_parts

NEW_INSTALLATION = (
    "There was no installation here, so this start made a new installation. If you meant one that "
    "you have, stop this one and correct --data-dir or --database-url."
)
_log = structlog.get_logger("tierline.serve")


_OIDC = ("issuer", "client_id", "client_secret")


@click.command()
@location_options
@click.option("--host", default=HOST_DEFAULT, envvar="TIERLINE_HOST", show_default=True)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT_DEFAULT, envvar="TIERLINE_PORT",
    show_default=True, help="0 takes a free one.",
)  # fmt: skip
@click.option(
    "--roles", default=",".join(ROLES), envvar="TIERLINE_ROLES", show_default=True,
    help="What this process does.",
)  # fmt: skip
@click.option(
    "--allow-address", "allow", multiple=True, metavar="CIDR", envvar="TIERLINE_ALLOW_ADDRESS",
    help="Let endpoints live at special addresses (private, loopback), plain http included.",
)  # fmt: skip
@click.option(
    "--keep-events", "keep", type=click.IntRange(1), metavar="DAYS", envvar="TIERLINE_KEEP_EVENTS",
    help="Drop older events from the log, delivered or not; kept for ever if not given.",
)  # fmt: skip
@click.option(
    "--keep-attempt-texts", type=click.IntRange(1), default=7, metavar="DAYS", show_default=True,
    envvar="TIERLINE_KEEP_ATTEMPT_TEXTS",
    help="Keep headers and answers of webhooks so long; the attempts themselves stay 30 days.",
)  # fmt: skip
@click.option(
    "--keep-profiles", type=click.IntRange(1), metavar="DAYS", envvar="TIERLINE_KEEP_PROFILES",
    help="Empty profiles in older events, which are then not sent again; kept if not given.",
)  # fmt: skip
@click.option(
    "--keep-audit", type=click.IntRange(1), metavar="DAYS", envvar="TIERLINE_KEEP_AUDIT",
    help="Drop older lines of the audit log; kept for ever if not given.",
)  # fmt: skip
@click.option(
    "--keep-files", type=click.IntRange(1), default=7, metavar="DAYS", show_default=True,
    envvar="TIERLINE_KEEP_FILES",
    help="Keep files of imports and exports in the data directory so long.",
)  # fmt: skip
@click.option(
    "--proxy", metavar="URL", envvar="TIERLINE_PROXY",
    help="Send webhooks through http://[user:password@]host:port.",
)  # fmt: skip
@click.option(
    "--oidc-issuer", metavar="URL", envvar="TIERLINE_OIDC_ISSUER",
    help="An OpenID provider where people may sign in.",
)  # fmt: skip
@click.option(
    "--oidc-client-id", metavar="ID", envvar="TIERLINE_OIDC_CLIENT_ID", help="Our id there."
)
@click.option(
    "--oidc-client-secret", metavar="SECRET", envvar="TIERLINE_OIDC_CLIENT_SECRET",
    help="Our secret there; better in the environment.",
)  # fmt: skip
@click.option(
    "--console/--no-console", default=True, envvar="TIERLINE_CONSOLE", show_default=True,
    help="Serve the pages for people at /console.",
)  # fmt: skip
def serve(
    host: str,
    port: int,
    roles: str,
    allow: tuple[str, ...],
    keep: int | None,
    proxy: str | None,
    **location: Any,
) -> None:
    """Serve the API, send webhooks and sweep, until SIGTERM.

    Prints one JSON line with `url` when it is ready; at the first start also `keys`, the path of
    the default project's keys, and until somebody has used one, a link for the first user.
    """
    configure()
    run(_serve(lambda: ServeOptions(
        location=location_of(location), host=host, port=port, roles=parse_roles(roles),
        allow=parse_networks(allow), keep_events_days=keep, proxy=proxy,
        oidc=parse_oidc(*(location[f"oidc_{part}"] for part in _OIDC)),
        console=location["console"],
        keep_attempt_texts_days=location["keep_attempt_texts"],
        keep_profiles_days=location["keep_profiles"], keep_audit_days=location["keep_audit"],
        keep_files_days=location["keep_files"],
    )))  # fmt: skip


async def _serve(read_settings: Callable[[], ServeOptions]) -> None:
    options = read_settings()
    if options.proxy is not None:
        proxy_parts(options.proxy)  # a wrong one is refused before anything is made
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup it goes on
            loop.add_signal_handler(number, stop.set)
    async with open_installation(options.location, serve=options.whole) as installation:
        is_new = not installation.catalog.projects()
        keys = await first_start(installation, options.location.data_dir, wall)
        async with serving(installation, options) as process:
            settle_memory()
            _log_start(options, process.url, is_new=is_new)
            line: dict[str, Any] = {"url": process.url, "roles": sorted(options.roles)}
            if keys is not None:
                line["keys"] = str(keys)
            join = await process.join_link()
            if join is not None:
                line["join"] = join
            click.echo(json.dumps(line))
            await stop.wait()
            _log.info("stopping")
    _log.info("stopped")


def _log_start(options: ServeOptions, url: str, *, is_new: bool) -> None:
    if is_new:
        _log.warning("new_installation", where=_place(options), text=NEW_INSTALLATION)
    directory = options.location.data_dir.expanduser().absolute()
    database = options.location.database_url
    _log.info(
        "started",
        version=__version__,
        data_dir=str(directory),
        database="embedded" if database is None else where(database),
        roles=sorted(options.roles),
        url=url,
        allow=[str(network) for network in options.allow],
        proxy=None if options.proxy is None else options.proxy.rpartition("@")[2],
        pid=os.getpid(),
    )


def _place(options: ServeOptions) -> str:
    url = options.location.database_url
    return str(options.location.data_dir.expanduser().absolute()) if url is None else where(url)


@click.command()
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON line per webhook of the vendors' samples, and nothing else.",
)
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path),
    help="Keep the demo's data there; a fresh temporary directory otherwise.",
)  # fmt: skip
def demo(as_json: bool, data_dir: Path | None) -> None:
    """Tell a shop's story, then walk two vendors' sample customers through the tiers. Webhooks
    arrive at a real receiver, which verifies their signatures."""
    configure(level=logging.ERROR)
    if data_dir is not None:
        run(_demo(data_dir.absolute(), as_json))
        return
    directory = Path(tempfile.mkdtemp(prefix="tierline-demo-"))
    stays = False
    try:
        run(_demo(directory, as_json))
        stays = not as_json
        if stays:
            click.echo(
                f"\nThe data stays until you remove it:\n  rm -r {shlex.quote(str(directory))}"
            )
    finally:
        if not stays:
            shutil.rmtree(directory, ignore_errors=True)


async def _demo(directory: Path, as_json: bool) -> None:
    allow = parse_networks(["127.0.0.0/8", "::1/128"])
    options = ServeOptions(location=Location(directory), port=0, allow=allow)
    webhooks = []
    shop: ShopTale | None = None
    keys: list[tuple[str, str]] = []
    async with open_installation(options.location, serve=True) as installation:
        await first_start(installation, directory, wall)
        former = {project.number for project in installation.catalog.projects()}
        async with serving(installation, options) as process:
            if not as_json:
                shop = await shop_tale(process.url, installation.catalog)
            async for webhook in deliveries(process.url, installation.catalog):
                webhooks.append(webhook)
                if as_json:
                    click.echo(webhook.line())
        if not as_json:
            keys = await _keys(installation, former)
    if shop is not None:
        print_shop(shop, TableConsole())
        print_table(webhooks, TableConsole())
        location = shlex.quote(str(directory))
        click.echo(f"\nThe same data, served:\n  {_program()} serve --data-dir {location}")
        click.echo("\nKeys that work on it:")
        for name, key in keys:
            click.echo(f"  {name}: {key}")
    shop_genuine = shop is None or all(line.genuine for line in shop.lines)
    if not (shop_genuine and all(webhook.genuine for webhook in webhooks)):
        raise DemoFailed(reason="a signature did not verify")


async def _keys(installation: Installation, former: set[int]) -> list[tuple[str, str]]:
    """A fresh native key for each project that this demo made, behind the project's name."""
    catalog = installation.catalog
    keys = []
    for project in catalog.projects():
        if project.number not in former:
            key = await catalog.add_key(project.number, "native", (), "demo", wall())
            keys.append((project.name, str(key["key"])))
    return keys


def _program() -> str:
    """How this one was started, for a line that can be pasted as it is."""
    started = sys.argv[0]
    if Path(started).name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m tierline"
    path = shutil.which("tierline")
    same = path is not None and Path(path).resolve() == Path(started).resolve()
    return "tierline" if same else shlex.quote(started)
