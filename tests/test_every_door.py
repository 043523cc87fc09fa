"""Wrong values by every door but the native API (`web/test_every_message.py`): what is said of them
is for people, whichever way they came."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from msgspec import Struct
from yarl import URL

from tests.delivery.world import BOX, make_world
from tests.ledger.conftest import Club
from tests.ledger.test_import_records import trial
from tests.ledger.test_sweep import START
from tests.tidy.repository import ROOT
from tests.vendors.loyaltylion_api import conftest as loyaltylion
from tests.vendors.voucherify_api import conftest as voucherify
from tests.web.schema_walk import body_with, places
from tests.web.test_every_message import MACHINERY, WRONG, address, as_text
from tierline.app import vendor_apis
from tierline.ledger.command_parsing import Activity
from tierline.ledger.files.file_kind import FileUnreadable
from tierline.ledger.files.ledger_lines import LedgerLine
from tierline.ledger.files.person import Person
from tierline.ledger.orders.statement_parsing import OrderStatement
from tierline.store.catalog.catalog import Catalog
from tierline.store.database import Database
from tierline.web.openapi import document

SOME: tuple[Any, ...] = (True, 1.5, "x" * 400, "\u0000", {"a": None})
# Of each vendor: somebody with its keys, and what makes the names that paths are filled with.
SHOPS: dict[str, Any] = {"voucherify": voucherify.shop_of, "loyaltylion": loyaltylion.shop_of}
CLUB = {"policy": {"tiers": [{"id": "gold", "name": "Gold", "from": 1}]}, "name": "Club"}


def texts(value: Any) -> list[str]:
    """Every text inside a refusal."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in texts(each)]


@pytest.mark.parametrize("vendor", SHOPS)
async def test_a_vendors_routes_speak_to_people(
    database: Database, tmp_path: Path, vendor: str
) -> None:
    """Each field of each body, and each parameter, is wrong in many ways."""
    operations = dict(vendor_apis())[vendor].OPERATIONS
    described = json.loads(json.dumps(document(operations, "1")))
    count, bodies = 0, list[Any]()

    async def complain(method: str, path: str, body: bytes | None) -> None:
        nonlocal count
        count += 1
        url, content = URL(shop.url + path, encoded=True), {"content-type": "application/json"}
        headers = keys if body is None else {**keys, **content}
        async with shop.session.request(method, url, data=body, headers=headers) as response:
            sent, text = (method, path, body), await response.text()
        assert response.status < 500, (sent, text)
        for each in texts(json.loads(text)) if response.status >= 400 else ():
            assert not MACHINERY.search(each), (sent, each)

    async with SHOPS[vendor](database, tmp_path) as shop:
        keys = {**shop.app, **shop.management} if vendor == "voucherify" else shop.token
        await shop.call("PUT", "/api/programs/club", CLUB)
        await shop.call("PUT", "/api/programs/club/members/anna", {})
        names = {"campaign": "club", "customer": "anna", "member": "anna", "project": shop.project}
        for path, item in described["paths"].items():
            for method, operation in item.items():
                target, content = address(path, names), operation.get("requestBody", {})
                media: Any
                for media in content.get("content", {}).values():
                    if media in bodies:
                        continue  # walked at another path
                    bodies.append(media)
                    for place in dict.fromkeys(places(described, media["schema"])):
                        for value in SOME:
                            sent = json.dumps(body_with(place, value)).encode()
                            await complain(method.upper(), target, sent)
                for parameter in operation["parameters"]:
                    for value in map(as_text, SOME):
                        escaped = quote(value, safe="")
                        there = f"{target}?{parameter['name']}={escaped}"
                        if parameter["in"] == "path":
                            there = path.replace(f"{{{parameter['name']}}}", escaped)
                            there = address(there, names)
                        await complain(method.upper(), there, b"{}" if content else None)
    assert count > 300


async def test_a_file_that_is_imported_is_refused_for_people(
    database: Database, tmp_path: Path
) -> None:
    """Each column and each field of every kind of record."""
    club = Club(database, await Catalog.open(database, BOX))
    await club.create(clock=START)
    shapes: dict[str, tuple[type[Struct], dict[str, Any]]] = {
        "person": (Person, {"customer": "ada"}),
        "activity": (Activity, {"customer": "ada", "kind": "order", "amount": 1}),
        "order": (OrderStatement, {"customer": "ada", "order": "1", "total": 1}),
        "entry": (LedgerLine, {"customer": "ada", "kind": "earn", "recorded_at": "x"}),
    }
    lines = [
        json.dumps({**right, field: value})
        for shape, right in shapes.values()
        for field in shape.__struct_encode_fields__
        for value in WRONG
    ]
    whole = tmp_path / "all.jsonl"
    whole.write_text("\n".join([*lines, "x", "[]", '"x"', '{"a":1,"a":2}']) + "\n")
    files = [whole]
    for name, (shape, right) in shapes.items():
        for field in shape.__struct_encode_fields__:
            path = tmp_path / f"{name}-{field}.csv"
            columns = {**right, field: None}
            with path.open("w", newline="") as file:
                out = csv.writer(file)
                out.writerow(columns)
                for value in filter(printable, map(as_text, WRONG)):
                    out.writerow([value if key == field else columns[key] for key in columns])
            files.append(path)
    reasons: list[str] = []
    for path in files:
        rejects = tmp_path / "rejects"
        try:
            await trial(club, path, rejects)
        except FileUnreadable as error:
            reasons.append(error.sentence)
            continue
        if rejects.exists():
            reasons += list(reasons_of(rejects, path.suffix))
            rejects.unlink()

    assert len(reasons) > 1_000
    for reason in reasons:
        assert not MACHINERY.search(reason), reason


def printable(text: str) -> bool:
    return "\0" not in text


def reasons_of(rejects: Path, suffix: str) -> Iterator[str]:
    """What is said of each record of a rejects file."""
    if suffix == ".csv":
        with rejects.open(newline="") as file:
            yield from (row[-1] for row in csv.reader(file))
        return
    for line in rejects.read_text().splitlines():
        yield str(json.loads(line)["refused"])


async def test_the_command_line_speaks_to_people(database: Database, tmp_path: Path) -> None:
    """Each option and argument of each command; the exit code is that of a refusal."""
    world = await make_world(database)
    await world.endpoint("http://127.0.0.1:1/")
    variables = {name: v for name, v in os.environ.items() if not name.startswith("TIERLINE_")}
    variables |= {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TIERLINE_DATABASE_URL": database.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.every_option", str(tmp_path),
        cwd=tmp_path, env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    runs = [json.loads(line) for line in out.decode().splitlines()]

    assert process.returncode == 0, err.decode()
    assert len(runs) > 60
    for line, code, text, fault in runs:
        assert code in (0, 1, 2), (line, text, fault)
        assert code == 0 or not MACHINERY.search(text.replace("Error:", "")), (line, text)
