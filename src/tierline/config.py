"""What a process is told at its start: where the installation lies, and how to serve it.

Values come from the command line, else from the environment (`TIERLINE_` and the option's name in
capitals), else from here. What belongs to a project, a program or an endpoint is not
configuration: it lies in the database.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from tierline.errors import Invalid

ROLES: Final = ("api", "sender", "sweeper")
HOST_DEFAULT: Final = "127.0.0.1"
PORT_DEFAULT: Final = 8080
DATA_DIR_DEFAULT: Final = Path("tierline-data")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Location(Struct, frozen=True):
    """An installation: its data directory (keys, and the embedded database unless a URL names
    another), and the number of shards that a new one gets."""

    data_dir: Path = DATA_DIR_DEFAULT
    database_url: str | None = None
    shards: int | None = None


class ServeOptions(Struct, frozen=True):
    """How one process serves an installation."""

    location: Location = Location()
    host: str = HOST_DEFAULT
    port: int = PORT_DEFAULT  # 0: a free one
    roles: frozenset[str] = frozenset(ROLES)
    allow: tuple[Network, ...] = ()  # special addresses where endpoints may live
    keep_events_days: int | None = None  # the log is kept so long; None: for ever
    keep_attempt_texts_days: int | None = 7  # what webhooks said; None: as long as the attempt
    keep_profiles_days: int | None = None  # customers in events; None: as long as the event
    keep_audit_days: int | None = None  # the audit log; None: for ever
    keep_files_days: int = 7  # imports and exports in the data directory
    proxy: str | None = None  # what webhooks go through, unless an endpoint has one of its own
    oidc: tuple[str, str, str] | None = None  # an OpenID provider's issuer; our id and secret there
    console: bool = True  # with the pages for people
    pages_apart: bool = True  # which are made in a process of their own

    @property
    def whole(self) -> bool:
        """Whether this process does everything, so that an embedded data directory is its own."""
        return self.roles == frozenset(ROLES)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect, so that metrics need no key."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is that of the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_roles(text: str) -> frozenset[str]:
    """`api,sender` → the set of both. Raises Invalid for a name that is no role."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in ROLES:
            raise Invalid(
                path="--roles", reason=f"{name!r} is no role; roles are {', '.join(ROLES)}"
            )
    if not names:
        raise Invalid(path="--roles", reason=f"name at least one role of {', '.join(ROLES)}")
    return frozenset(names)


def parse_oidc(
    issuer: str | None, client_id: str | None, client_secret: str | None
) -> tuple[str, str, str] | None:
    """An OpenID provider's issuer, our id and secret there; None for none of them. Raises Invalid
    for one without the others."""
    if issuer and client_id and client_secret:
        return issuer, client_id, client_secret
    if issuer or client_id or client_secret:
        reason = "Name --oidc-issuer, --oidc-client-id and --oidc-client-secret, or none of them."
        raise Invalid(path="--oidc-issuer", reason=reason)
    return None


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """`127.0.0.0/8`, `::1` → networks. Raises Invalid for what is no block of addresses."""
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise Invalid(path="--allow-address", reason=f"{text!r}: {error}") from None
    return tuple(networks)
