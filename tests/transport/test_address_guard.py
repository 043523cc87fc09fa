"""The address guard against a published corpus of attempts to get around one."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tierline.errors import Invalid
from tierline.transport import Client, HttpReply, Target
from tierline.transport.address_guard import Guard, blocked
from tierline.transport.resolver import Resolver

CORPUS = Path(__file__).parent / "data" / "bypass_corpus.txt"


def lines() -> list[str]:
    results = (line.split(" # ")[0].strip() for line in CORPUS.read_text().splitlines())
    return [line for line in results if line and not line.startswith("#")]


URLS = [line for line in lines() if line[0] not in "=~"]
NAMES = [line[1:] for line in lines() if line.startswith("~")]
ADDRESSES = [line[1:] for line in lines() if line.startswith("=")]


async def dialled(url_host: str, addresses: list[str], guard: Guard) -> HttpReply:
    """What the client says when a name resolves to these addresses."""

    async def lookup(_: str) -> list[str]:
        return addresses

    client = Client(guard, Resolver(lookup))
    answered: asyncio.Future[HttpReply] = asyncio.get_running_loop().create_future()
    target = Target("https", url_host, 443, b"POST / HTTP/1.1\r\nhost: x\r\n", "pool")
    client.send(target, b"", answered.set_result)
    try:
        return await asyncio.wait_for(answered, 10)
    finally:
        await client.close()


@pytest.mark.parametrize("url", URLS)
def test_every_url_of_the_corpus_is_refused(url: str) -> None:
    """As soon as somebody wants to save it."""
    with pytest.raises(Invalid):
        Guard().check_url(url)


@pytest.mark.parametrize("url", NAMES)
async def test_every_inward_name_of_the_corpus_is_refused(url: str) -> None:
    """As soon as somebody wants to save it where the name says it; and when it is dialled, by what
    the system's own resolver makes of it. Both say what an operator can do."""
    host = urlsplit(url).hostname or ""
    results = await Resolver().addresses(host) if "foo" not in host else ["127.0.0.1"]
    reply = await dialled(host, results, Guard())
    with pytest.raises(Invalid, match=r"--allow-address 127\.0\.0\.1"):
        Guard().check_url(url)

    assert "refused" == reply.fault
    assert f"--allow-address {results[0]}" in (reply.reason or "")
    assert Guard(["127.0.0.0/8"]).check_url(url)


async def test_a_name_that_leads_inside_is_refused_with_what_would_allow_it() -> None:
    """When it is dialled: what a name resolves to may change at any time."""
    private = await dialled("receiver.internal", ["10.0.0.7"], Guard())
    plain = Guard(["10.0.0.0/8"]).refusal("93.184.215.14", "http")

    assert "--allow-address 10.0.0.7 " in (private.reason or "")
    assert "only https" in (plain or "")


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_address_of_the_corpus_is_refused_at_dial_time(address: str) -> None:
    """Also when it hides behind a public one: all answers are checked, not the first."""
    alone = await dialled("receiver.example", [address], Guard())
    behind = await dialled("receiver.example", ["93.184.215.14", address], Guard())

    assert ("refused", "refused") == (alone.fault, behind.fault)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "93.184.215.14", "223.255.255.254", "100.63.255.255", "100.128.0.0",
     "172.15.255.255", "172.32.0.0", "198.17.255.255", "2606:4700::1111", "2a00:1450:4001::1",
     "64:ff9b::808:808", "2001:200::1", "2a01:4f8::5efe:8.8.8.8"],
)  # fmt: skip
def test_public_addresses_are_allowed(address: str) -> None:
    """Neighbours of blocked ranges, and a public receiver behind NAT64."""
    assert blocked(ip_address(address)) is None
    assert Guard().refusal(address) is None


def test_an_operator_may_allow_blocks() -> None:
    """Allowed blocks may be spoken to, in the clear too; their neighbours not."""
    guard = Guard(["10.1.0.0/16", "fd00::/8"])

    assert guard.refusal("10.1.2.3", "http") is None
    assert guard.refusal("::ffff:10.1.2.3", "http") is None
    assert guard.refusal("fd12::1", "http") is None
    assert guard.refusal("10.2.0.1") is not None
    assert guard.refusal("8.8.8.8", "http") is not None


def test_a_refusal_names_address_and_reason() -> None:
    """Somebody has to find out from it what to change."""
    with pytest.raises(Invalid, match=r"169\.254\.169\.254 is not a public address") as refused:
        Guard().check_url("https://169.254.169.254/")

    assert "url" == refused.value.path
