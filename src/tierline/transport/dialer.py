"""From a list of checked addresses to a socket, through a proxy where there is one."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from tierline.transport.exchange import Target

PROXY_ANSWER_MAX: Final = 8 * 1024


class DialRefused(Exception):
    """The address guard does not let us dial this."""


async def connect(
    loop: asyncio.AbstractEventLoop, addresses: list[str], port: int, until: float
) -> tuple[socket.socket, str]:
    """A connected socket and the address that it leads to: the first that answers. Each has its
    share of the time that is left `until` then (by the loop's clock), so that one that swallows
    everything leaves some to the others."""
    last: OSError | None = None
    for i, address in enumerate(addresses):
        share = (until - loop.time()) / (len(addresses) - i)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(share):
                await loop.sock_connect(sock, (address, port))
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock, address
    raise last or OSError("no address to dial")


async def tunnel(loop: asyncio.AbstractEventLoop, sock: socket.socket, target: Target) -> None:
    """Ask the proxy for a connection to the target; OSError when it says anything but 2xx."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"CONNECT {host}:{target.port} HTTP/1.1", f"Host: {host}:{target.port}"]
    if target.proxy_authorization:
        lines.append(f"Proxy-Authorization: {target.proxy_authorization}")
    await loop.sock_sendall(sock, ("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        # Byte by byte would be exact; a proxy sends nothing after its headers until we speak.
        data = await loop.sock_recv(sock, 1024)
        if not data or len(answer) > PROXY_ANSWER_MAX:
            raise OSError("the proxy closed, or answered at too great a length")
        answer += data
    status = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or not status[1].startswith(b"2"):
        raise OSError(f"the proxy refused: {answer[:80].decode('latin-1')!r}")


def name_of(target: Target) -> str:
    """What the certificate must say: the host as it stands in the URL."""
    return target.host.rstrip(".")
