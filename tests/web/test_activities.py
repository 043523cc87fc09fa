"""The hot route: one, many, and a stream; each activity once."""

from __future__ import annotations

import asyncio
import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.web.conftest import CLUB, Api
from tierline.ledger.rebuild import verify
from tierline.ledger.writer import BATCH_MAX
from tierline.store.connection_counts import BATCHES_MAX
from tierline.store.database import Database
from tierline.web.routes.activities import LINES_MAX, UNANSWERED_MAX

PATH = "/api/programs/club/activities"


async def test_an_activity_is_answered_with_the_member_right_after_it(club: Api) -> None:
    """The entry, the balance, the tier, and what moved."""
    answered = await club.earn("anna", 120, "k1")

    assert answered.status == 200
    answer = answered.json
    assert (answer["key"], answer["points"], answer["balance"], answer["tier"]) == (
        "k1",
        120,
        120,
        "silver",
    )
    assert answer["events"] == [
        {"kind": "joined", "tier_from": None, "tier_to": "silver", "cause": "activity"}
    ]
    assert answer["repeated"] is False


async def test_the_same_activity_ten_times_at_once_counts_once(club: Api) -> None:
    """One is recorded, nine are told the first answer."""
    answers = await asyncio.gather(*(club.earn("anna", 50, "k1") for _ in range(10)))
    member = await club.get("/api/programs/club/members/anna")

    assert {answered.status for answered in answers} == {200}
    assert sorted(answered.json["repeated"] for answered in answers) == [False] + [True] * 9
    assert {answered.json["balance"] for answered in answers} == {50}
    assert member.json["points"]["balance"] == 50


async def test_a_key_with_another_body_is_a_conflict(club: Api) -> None:
    """And changes nothing."""
    await club.earn("anna", 50, "k1")
    answered = await club.earn("anna", 51, "k1")

    assert answered.problem == (409, "key_reused", "key")


async def test_an_array_is_answered_per_item_in_order(club: Api) -> None:
    """A refused item is a problem in its place and stops nobody."""
    answered = await club.post(
        PATH,
        [
            {"customer": "anna", "kind": "earn", "points": 10},
            {"customer": "anna", "kind": "redeem", "points": 999},
            {"customer": "ben", "kind": "earn", "points": 500},
        ],
    )

    assert answered.status == 200
    first, second, third = answered.json
    assert (first["balance"], third["tier"]) == (10, "gold")
    assert (second["code"], second["status"]) == ("insufficient_points", 422)


async def test_an_array_with_one_bad_item_records_nothing(club: Api) -> None:
    """It is validated whole before the first write."""
    answered = await club.post(
        PATH,
        [
            {"customer": "anna", "kind": "earn", "points": 10},
            {"customer": "anna", "kind": "earn", "points": "ten"},
        ],
    )
    member = await club.get("/api/programs/club/members/anna")

    assert answered.problem == (400, "invalid", "activities[1].points")
    assert member.problem[:2] == (404, "not_found")


async def test_an_array_that_is_too_long_is_refused_whole(club: Api) -> None:
    """With its bound."""
    one = {"customer": "anna", "kind": "earn", "points": 1}
    answered = await club.post(PATH, [one] * 10_001)

    assert answered.problem == (413, "too_large", "activities")
    assert "10000" in answered.json["detail"]


async def test_ndjson_is_answered_per_line(club: Api) -> None:
    """Good lines are recorded, bad ones are problems that name their line."""
    lines = [
        b'{"customer":"anna","kind":"earn","points":5}',
        b'{"customer":"anna","kind":"earn","points":NaN}',
        b"",
        b'{"customer":"anna","kind":"earn","points":7}',
    ]
    answered = await club.post(
        PATH, b"\n".join(lines), headers={"content-type": "application/x-ndjson"}
    )
    answers = [json.loads(line) for line in answered.body.splitlines()]

    assert answered.status == 200
    assert [line.get("balance") for line in answers] == [5, None, 12]
    assert answers[1]["code"] == "invalid"
    assert answers[1]["path"].startswith("lines[1]")


async def test_a_client_that_reads_only_after_sending_all_is_answered(club: Api) -> None:
    """Answers that nobody takes yet wait beside; neither side waits for the other for ever. Both
    directions carry more than sockets hold by themselves; refusals need no database."""
    count = 30_000
    line = b'{"customer":"a","kind":"steal","name":"%b"}\n' % (b"x" * 1500)
    size = count * len(line)
    url = urlsplit(club.process.url)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, (url.hostname, url.port))
    reader, writer = await asyncio.open_connection(sock=small)
    writer.write(
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n"
        f"Content-Type: application/x-ndjson\r\nAuthorization: Bearer {club.key}\r\n\r\n".encode()
    )
    async with asyncio.timeout(60):
        for _ in range(0, count, 500):
            writer.write(line * 500)
            await writer.drain()
        answered = await reader.read()
    writer.close()

    answers = [json.loads(line) for line in unchunked(answered).splitlines()]
    assert b" 200 OK" in answered[:20]
    assert [problem["path"] for problem in answers] == [f"lines[{i}].kind" for i in range(count)]


def unchunked(response: bytes) -> bytes:
    """The body of a response in chunks."""
    rest, body = response.partition(b"\r\n\r\n")[2], b""
    while size := int(rest.partition(b"\r\n")[0], 16):
        rest = rest.partition(b"\r\n")[2]
        body, rest = body + rest[:size], rest[size + 2 :]
    return body


async def test_an_upload_is_read_no_faster_than_it_is_recorded(
    club: Api, database: Database
) -> None:
    """While the database stands still, so many lines wait for their answers, and no more come."""
    await club.earn("anna", 1)
    most = UNANSWERED_MAX * database.shards
    lines = b'{"customer":"anna","kind":"earn","points":1}\n' * 20_000

    async def waiting() -> float:
        text = (await club.get("/metrics")).body.decode().splitlines()
        name = "tierline_commands_waiting "
        return next(float(line.removeprefix(name)) for line in text if line.startswith(name))

    connection = await database.connect(statement_timeout="0")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        async with connection.transaction():
            await connection.execute("LOCK TABLE member IN ACCESS EXCLUSIVE MODE")
            kind = {"content-type": "application/x-ndjson"}
            upload = group.create_task(club.post(PATH, lines, headers=kind))
            under_way = BATCHES_MAX * BATCH_MAX  # of one shard: all speak of one customer
            while await waiting() < most - under_way:
                pass
            for _ in range(50):  # meanwhile more would come
                assert await waiting() < most + LINES_MAX
            assert not upload.done()
        answered = await upload
    await connection.close()

    balances = [json.loads(line)["balance"] for line in answered.body.splitlines()]
    assert balances == list(range(2, 20_002))


async def test_a_line_that_is_too_long_is_refused_in_its_place(club: Api) -> None:
    """The lines around it are recorded."""
    good = b'{"customer":"anna","kind":"earn","points":5}'
    body = b"\n".join([good, b'{"x":"' + b"x" * 300_000 + b'"}', good])
    answered = await club.post(PATH, body, headers={"content-type": "application/x-ndjson"})
    answers = [json.loads(line) for line in answered.body.splitlines()]

    assert [line.get("code") for line in answers] == [None, "too_large", None]
    assert answers[2]["balance"] == 10


async def test_a_program_that_is_not_there_is_named(club: Api) -> None:
    """Before anything of the body is looked at."""
    answered = await club.post("/api/programs/none/activities", {"anything": 1})

    assert answered.problem == (404, "not_found", "program")


async def test_a_name_may_hold_a_slash(club: Api) -> None:
    """Percent-encoded it is part of the name, not of the path."""
    put = await club.put("/api/programs/a%2Fb", (await club.get("/api/programs/club")).json
                         | {"name": "Other"})  # fmt: skip

    assert put.problem[:2] == (400, "invalid")  # answers have fields that requests have not
    made = await club.put("/api/programs/a%2Fb", {"name": "X", "policy": _POLICY})
    second = await club.post(
        "/api/programs/a%2Fb/activities", {"customer": "c/1", "kind": "earn", "points": 3}
    )
    member = await club.get("/api/programs/a%2Fb/members/c%2F1")

    assert (made.status, second.status) == (201, 200)
    assert (member.json["program"], member.json["customer"]) == ("a/b", "c/1")


_POLICY = {"tiers": [{"id": "t", "name": "T"}]}


@pytest.mark.parametrize("number", [18446744073709552000, 10**20, -9223372036854776000])
async def test_an_integer_past_64_bits_comes_back_as_sent(sandbox: Api, number: int) -> None:
    """In the metadata of points that wait: in a dry run, recorded, approved, and in what the
    ledger says of them; and of a customer."""
    rules = {**CLUB, "points": {"pending_days": 3}, "auto_join": True}
    assert (await sandbox.put("/api/programs/club", rules)).status == 200
    metadata = {"n": number, "inside": [{"n": number}]}
    activity = {"customer": "anna", "kind": "earn", "points": 60, "metadata": metadata, "key": "k"}
    dry_run = await sandbox.post("/api/programs/club/dry-run", activity)
    first = await sandbox.post(PATH, activity)
    second = await sandbox.post(PATH, {**activity, "key": "k2"})
    approval = {"customer": "anna", "kind": "approve", "of": "k"}
    approved = await sandbox.post(PATH, approval)
    await sandbox.put("/api/customers/anna", {"metadata": metadata})
    customer = await sandbox.get("/api/customers/anna")
    assert customer.json["metadata"] == metadata
    database, catalog = sandbox.installation.database, sandbox.installation.catalog

    assert [answer.status for answer in (dry_run, first, second, approved)] == [200] * 4
    assert (approved.json["balance"], approved.json["pending"]) == (60, 60)
    assert [d async for d in verify(database, catalog)] == []
