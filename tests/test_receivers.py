"""examples/receiver.py and examples/receivers: each verifies what we sign, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook

from tests.conftest import absent

ROOT = Path(__file__).parent.parent
STANDARD, VENDOR = "whsec_" + base64.b64encode(bytes(range(32))).decode(), "the project's secret"
BODY = '{"type":"tier.upgraded","data":{"customer":{"name":"Zoë"}}}'.encode()
RECEIVERS = (
    "receiver.py",
    *(
        pytest.param(f"receivers/receiver.{suffix}", marks=pytest.mark.programs)
        for suffix in ("mjs", "rb", "php")
    ),
)
PROGRAMS = {".py": sys.executable, ".mjs": "node", ".rb": "ruby", ".php": "php"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@asynccontextmanager
async def running(name: str, secret: str) -> AsyncIterator[str]:
    """The receiver's URL, once it answers."""
    script = ROOT / "examples" / name
    program = shutil.which(PROGRAMS[script.suffix])
    if program is None:
        absent(f"there is no {PROGRAMS[script.suffix]}")
    port = free_port()
    arguments = [str(script), str(port), secret]
    if script.suffix == ".php":
        arguments = ["-S", f"127.0.0.1:{port}", str(script)]
    process = await asyncio.create_subprocess_exec(
        *(program, *arguments),
        env={**os.environ, "TIERLINE_SECRET": secret},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline()  # each says so when it listens
        yield f"http://127.0.0.1:{port}/hooks"
    finally:
        process.kill()
        await process.wait()


def standard(body: bytes, *, secret: str = STANDARD, ago: int = 0) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    signature = Webhook(secret).sign("msg_1", at, body.decode())
    stamp = str(int(at.timestamp()))
    other = "v1," + base64.b64encode(bytes(32)).decode()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": f"{other} {signature}",  # as while a rotation overlaps
    }


def voucherify(secret: str = VENDOR) -> dict[str, str]:
    return {"x-voucherify-signature": hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()}


def loyaltylion(secret: str = VENDOR) -> dict[str, str]:
    digest = hmac.new(secret.encode(), BODY, hashlib.sha256).digest()
    return {"x-loyaltylion-hmac-sha256": base64.b64encode(digest).decode()}


async def statuses(url: str, *headers: dict[str, str]) -> list[int]:
    answers = []
    async with aiohttp.ClientSession() as session:
        for each in headers:
            async with session.post(url, data=BODY, headers=each) as answer:
                answers.append(answer.status // 100)
    return answers


@pytest.mark.parametrize("name", RECEIVERS)
async def test_a_receiver_takes_what_standard_webhooks_signs(name: str) -> None:
    """With any of several signatures; not another's, not an old one, not an unsigned one."""
    another = "whsec_" + base64.b64encode(bytes(32)).decode()
    async with running(name, STANDARD) as url:
        answers = await statuses(
            url,
            standard(BODY),
            standard(BODY, secret=another),
            standard(BODY, ago=3_600),
            standard(b"{}"),
            {"webhook-id": "msg_1"},
        )

    assert answers == [2, 4, 4, 4, 4]


@pytest.mark.parametrize("name", RECEIVERS)
async def test_a_receiver_takes_what_a_vendor_signs(name: str) -> None:
    """By the project's secret, in either vendor's header."""
    async with running(name, VENDOR) as url:
        answers = await statuses(
            url, voucherify(), loyaltylion(), voucherify("x"), loyaltylion("x"), {}
        )

    assert answers == [2, 2, 4, 4, 4]
