"""What a process is told at its start, and what it refuses to be told."""

from __future__ import annotations

import ipaddress

import pytest

from tierline.config import ServeOptions, parse_networks, parse_roles
from tierline.errors import Invalid


def test_a_process_does_everything_unless_told() -> None:
    """All roles, on this machine only, and no special address is open."""
    serving = ServeOptions()

    assert serving.whole
    assert serving.loopback
    assert serving.allow == ()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.9", True), ("::1", True), ("localhost", True), ("192.0.2.1", False), ("x.y", False)],
)
def test_loopback_is_known(host: str, *, loopback: bool) -> None:
    """Only there are console and metrics open without a key."""
    assert ServeOptions(host=host).loopback is loopback


def test_roles_are_read() -> None:
    """With or without spaces."""
    assert parse_roles("api, sender") == {"api", "sender"}


@pytest.mark.parametrize("text", ["", " , ", "api,cook"])
def test_what_is_no_role_is_refused(text: str) -> None:
    """With the option's name, and what it may be."""
    with pytest.raises(Invalid, match="api, sender, sweeper") as refused:
        parse_roles(text)

    assert refused.value.path == "--roles"


def test_networks_are_read() -> None:
    """Blocks, and single addresses."""
    assert parse_networks(["10.0.0.0/8", "::1"]) == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    """Bits outside the mask too: they are a mistake."""
    with pytest.raises(Invalid) as refused:
        parse_networks([text])

    assert refused.value.path == "--allow-address"
