"""A process to stop: it knows a project and its program as they were, sleeps, and goes on as if
nothing had happened. It prints how each of its requests was answered.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tests.ledger.conftest import LADDER, Club, wall
from tierline.endpoints.endpoint import Endpoint
from tierline.errors import NotFound, TierlineError
from tierline.ledger import commands
from tierline.ledger.command_parsing import CommandParser
from tierline.ledger.commands import ProgramRef
from tierline.ledger.points_numbering import number_lines
from tierline.ledger.transfers.legs import second_half
from tierline.ledger.writer import Writer
from tierline.store import orders, points_lines, profiles, sweep
from tierline.store.catalog.catalog import Catalog
from tierline.store.catalog.programs import NewVersion
from tierline.store.catalog.secret_box import SecretBox
from tierline.store.customers import CustomersSql
from tierline.store.database import Database
from tierline.store.orders import OrderPlace
from tierline.store.profiles import Profile
from tierline.store.transfers import Intent
from tierline.vendors.registry import KEY_KINDS

Request = Callable[[], Awaitable[Any]]


async def open_club(database: Database) -> Club:
    club = Club(database, await Catalog.open(database, SecretBox(bytes(32)), KEY_KINDS))
    (club.project,) = club.catalog.projects()
    (row,) = club.catalog.programs(club.project.number)
    club.program = row.number
    await club.catalog.program_numbered(row.number)
    club.parser = CommandParser(club.project, row.number)
    return club


def in_program(club: Club, writer: Writer) -> dict[str, Request]:
    """What would write something of a program."""
    ref, database = ProgramRef(club.project, club.program), club.database

    async def of_somebody_known() -> object:
        return await writer.record(club.activity(customer="ada", points=10))

    async def of_somebody_new() -> object:
        return await writer.record(club.activity(customer="zoe", points=10))

    async def enrolment() -> object:
        return await writer.record(commands.enrol(ref, "zoe"))

    async def points_that_arrive() -> object:
        promise = '{"to": "zoe", "occurred_at": 1700000000000}'
        intent = Intent(1 << 16, club.program, "t1", club.project.number, 5, promise)
        return await writer.record(second_half(ref, intent))

    async def list_of_points() -> object:
        program = await club.catalog.program_numbered(club.program)
        return await number_lines(database, club.project, (club.program, program), wall())

    async def roll_out() -> None:
        connection = await database.connect()
        for shard in range(database.shards):
            await sweep.begin_rollout(connection, shard, club.program, 2, wall())
        await connection.close()

    return _named(
        of_somebody_known, of_somebody_new, enrolment, points_that_arrive, list_of_points, roll_out
    )


def in_project(club: Club, writer: Writer) -> dict[str, Request]:
    """What would write something of a project."""
    catalog, project, database = club.catalog, club.project, club.database

    async def profile() -> object:
        new = Profile(name="Zoe", email="zoe@example.com")
        return await profiles.put(club.database, project, "zoe", new, wall())

    async def order() -> object:
        return await writer.record(club.activity("order", "zoe", order="1001", paid=500))

    async def key() -> object:
        return await catalog.add_key(project.number, "native", (), "late", wall())

    async def endpoint() -> object:
        text = msgspec.json.encode(Endpoint("ep_late", 0, project.number, "https://example.com"))
        return await catalog.add_endpoint(project.number, "ep_late", text.decode(), b"", 0, 0)

    async def program() -> object:
        version = NewVersion(rules=LADDER, request="{}")
        return await catalog.put_program(project.number, "late", version, wall())

    async def names() -> None:
        """As of whoever had made sure of the project before they slept."""
        facts = (project.number, ["card"], ["late"], [1 << 16])
        async with database.pool.acquire() as connection:
            for shard in range(database.shards):
                await connection.fetch(CustomersSql.add_names, shard, *facts)

    async def order_row() -> None:
        place = OrderPlace.of(database.shards, project.number, "1002")
        async with database.pool.acquire() as connection:
            if not await orders.claim(connection, [(place, "zoe", wall())]):
                raise NotFound(what="order", name="1002", path="order")

    async def list_of_orders() -> None:
        async with database.pool.acquire() as connection, connection.transaction():
            await points_lines.hold(connection, database.shards, -project.number)

    return _named(profile, order, key, endpoint, program, names, order_row, list_of_orders)


def _named(*requests: Request) -> dict[str, Request]:
    return {request.__name__: request for request in requests}


async def outcome(request: Request) -> str:
    try:
        await request()
    except TierlineError as error:
        return error.code
    return "done"


async def main(url: str, scope: str) -> None:
    async with await Database.open(url) as database:
        club = await open_club(database)
        async with club.writer() as writer:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)
            requests = in_program(club, writer)
            if scope == "project":
                requests |= in_project(club, writer)
            outcomes = {name: await outcome(request) for name, request in requests.items()}
        sys.stdout.write(msgspec.json.encode(outcomes).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
