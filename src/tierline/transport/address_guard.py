"""Which addresses a webhook may go to. Pure: text and numbers in, a refusal or None out.

The check that counts happens at dial time, on the very address that is dialled, after DNS; the
check of a URL when an endpoint is saved only gives an early answer. The table is ours because
Python's `ipaddress.is_global` lets several of these through (NAT64 of a metadata address, 6to4 of
loopback, 3fff::/20, multicast). Sources: the IANA special-purpose registries for IPv4 and IPv6,
RFC 6890 and the RFCs named beside each block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

from tierline.errors import Invalid

URL_CHARS_MAX = 2048

BLOCKED_V4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private use"),
    ("100.64.0.0/10", "shared address space (carrier NAT)"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link local, cloud metadata"),
    ("172.16.0.0/12", "private use"),
    ("192.0.0.0/24", "IETF protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT"),
    ("192.88.99.0/24", "6to4 relay anycast"),
    ("192.168.0.0/16", "private use"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved, broadcast"),
    # Public by number, yet a platform's own inside: metadata and host services of large clouds.
    ("168.63.129.16/32", "cloud platform address"),
)
BLOCKED_V6: tuple[tuple[str, str], ...] = (
    ("::/8", "unspecified, loopback, mapped, compatible and other embedded IPv4"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64, local use (RFC 8215)"),
    ("100::/64", "discard only (RFC 6666)"),
    ("100:0:0:1::/64", "dummy prefix (RFC 9780)"),
    ("2001::/23", "IETF protocol assignments, Teredo, ORCHID"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation (RFC 9637)"),
    ("5f00::/16", "segment routing SIDs (RFC 9602)"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link local"),
    ("fec0::/10", "site local (deprecated, still routed by some)"),
    ("ff00::/8", "multicast"),
)
NAT64 = IPv6Network("64:ff9b::/96")
GLOBAL_V6 = IPv6Network("2000::/3")  # the only space that is handed out for the open Internet

# A host that is an IPv4 address in a form that inet_aton takes: 127.1, 0x7f000001, 017700000001.
_NUMBERS = re.compile(r"^(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?$", re.IGNORECASE)
_DOTTED = re.compile(r"^(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}$")
_HOST = re.compile(r"^[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*\.?$")

_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_V4 = tuple((IPv4Network(block), why) for block, why in BLOCKED_V4)
_V6 = tuple((IPv6Network(block), why) for block, why in BLOCKED_V6)


class Guard:
    """The table and the operator's exceptions to it."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """`allow` are CIDR blocks where endpoints may live, plain http included. ValueError if
        one is no network."""
        networks = [ip_network(block, strict=False) for block in allow]
        self.allowed_v4 = tuple(n for n in networks if isinstance(n, IPv4Network))
        self.allowed_v6 = tuple(n for n in networks if isinstance(n, IPv6Network))
        self._refusal = lru_cache(maxsize=4096)(self._look)

    def refusal(self, address: str, scheme: str = "https") -> str | None:
        """Why this address must not be dialled with this scheme; None when it may."""
        return self._refusal(address, scheme)

    def allows(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the operator made an exception for it. A mapped address is its IPv4 one."""
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is not None:
                return self.allows(address.ipv4_mapped)
            return any(address in network for network in self.allowed_v6)
        return any(address in network for network in self.allowed_v4)

    def _look(self, text: str, scheme: str) -> str | None:
        try:
            address = ip_address(text)
        except ValueError:
            return f"{text} is not an address"
        if self.allows(address):
            return None
        why = blocked(address)
        if why is not None:
            return f"{text} is not a public address ({why}); {_hint(text)}"
        if scheme != "https":
            return f"{text} is a public address, where only https is sent; {_hint(text)}, too"
        return None

    def check_url(self, url: str, *, path: str = "url") -> SplitResult:
        """The parts of a URL that an endpoint may have; Invalid with the reason otherwise.

        Names are not looked up here: what they resolve to is judged each time they are dialled.
        """
        parts = split_url(url, path)
        host = parts.hostname or ""
        literal = literal_address(host)
        if literal is not None:
            why = self.refusal(str(literal), parts.scheme)
            if why is not None:
                raise Invalid(reason=f"The address {why}.", path=path)
        elif _is_this_machine(host) and not any(self.allows(address) for address in _LOOPBACK):
            reason = f"{host} is this machine itself (loopback); {_hint(str(_LOOPBACK[0]))}."
            raise Invalid(reason=reason, path=path)
        elif parts.scheme == "http" and not (self.allowed_v4 or self.allowed_v6):
            reason = (
                "Use https: plain http is only sent to addresses that the server was started with"
                " (--allow-address)."
            )
            raise Invalid(reason=reason, path=path)
        return parts


def _hint(address: str) -> str:
    return f"--allow-address {address} at the server's start lets endpoints live there"


def _is_this_machine(host: str) -> bool:
    """By its name alone (RFC 6761)."""
    return f".{host.rstrip('.')}".endswith(".localhost")


def blocked(address: IPv4Address | IPv6Address) -> str | None:
    """The block of the table that holds an address, or one inside it; None: it is public."""
    if isinstance(address, IPv4Address):
        return next((why for network, why in _V4 if address in network), None)
    if address.scope_id is not None:
        return "scoped address"
    inner = embedded(address)
    if inner is not None and address in NAT64 and blocked(inner) is None:
        return None  # how an IPv6-only network with DNS64 reaches a public IPv4 receiver
    for network, why in _V6:
        if address in network:
            return why if inner is None else f"{why}: {inner}"
    if address not in GLOBAL_V6:
        return "outside global unicast"
    if inner is not None and blocked(inner) is not None:
        return f"ISATAP: {inner}"
    return None


def embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a transition mechanism would make of this one."""
    number = int(address)
    high = number >> 96
    if number >> 32 == 0xFFFF or number >> 32 in (0, 0xFFFF_0000):  # mapped, compatible, translated
        return IPv4Address(number & 0xFFFF_FFFF)
    if number >> 32 == 0x64_FF9B << 64 or number >> 80 == 0x64_FF9B_0001:  # NAT64, both prefixes
        return IPv4Address(number & 0xFFFF_FFFF)
    if number >> 112 == 0x2002:  # 6to4
        return IPv4Address(number >> 80 & 0xFFFF_FFFF)
    if high == 0x2001_0000:  # Teredo: the client's address is stored inverted
        return IPv4Address(~number & 0xFFFF_FFFF)
    if number >> 32 & 0xFCFF_FFFF == 0x0000_5EFE:  # ISATAP's interface identifier
        return IPv4Address(number & 0xFFFF_FFFF)
    return None


def split_url(url: str, path: str = "url") -> SplitResult:
    """Scheme, host, port and path of an http(s) URL in the one form that we send to."""
    if len(url) > URL_CHARS_MAX:
        raise Invalid(reason=f"A URL has at most {URL_CHARS_MAX} characters.", path=path)
    if not url.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in url):
        reason = "A URL is ASCII without spaces, quotes or backslashes"
        if not url.isascii():
            reason += "; write other letters of a host in punycode (xn--…), of a path as %XX"
        raise Invalid(reason=f"{reason}.", path=path)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid(reason=f"This is not a URL: {error}.", path=path) from None
    if parts.scheme not in ("https", "http"):
        raise Invalid(reason="A URL starts with https:// (or http:// where allowed).", path=path)
    if "@" in parts.netloc:
        raise Invalid(reason="A URL carries no user name or password.", path=path)
    if parts.fragment:
        raise Invalid(reason="A URL carries no fragment (#…).", path=path)
    if port == 0:
        raise Invalid(reason="Port 0 is no port.", path=path)
    _check_host(parts.hostname or "", "[" in parts.netloc, path)
    return parts


def canonical_url(url: str) -> str:
    """One text for all ways to write a URL that lead to the same receiver."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = (parts.hostname or "").rstrip(".")
    query = parts.query and f"?{parts.query}"
    return f"{parts.scheme}://{host}:{port}{parts.path or '/'}{query}"


def literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host spells out, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_host(host: str, bracketed: bool, path: str) -> None:
    if not host:
        raise Invalid(reason="The URL names no host.", path=path)
    if bracketed or ":" in host:
        if ":" not in host or literal_address(host) is None or "%" in host:
            raise Invalid(reason="This is not an IPv6 address.", path=path)
        return
    if _NUMBERS.match(host):
        if not _DOTTED.match(host) or literal_address(host) is None:
            raise Invalid(reason="Write an IPv4 address as four decimal numbers.", path=path)
        return
    if len(host) > 253 or not _HOST.match(host):
        raise Invalid(reason="This is not a host name.", path=path)
