"""deploy/nginx.conf and deploy/Caddyfile, each before a real server: what operating.md asks for."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from tests.conftest import absent
from tests.web.conftest import CLUB, Api, api

__all__ = ["api"]

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
NAME = "loyalty.example.com"
pytestmark = pytest.mark.programs


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of our own for the samples' name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, private


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def replaced(sample: str, *pairs: tuple[str, str]) -> str:
    """The sample with other addresses and files; each must stand in it."""
    text = (DEPLOY / sample).read_text()
    for place, other in pairs:
        assert place in text, place
        text = text.replace(place, other)
    return text


class Proxy:
    """A proxy that runs, and a client that trusts its certificate alone."""

    def __init__(self, url: str, key: str, session: aiohttp.ClientSession) -> None:
        self.url, self.key, self.session = url, key, session

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {self.key}", "host": NAME, **more.pop("headers", {})}
        url = URL(f"{self.url}{path}", encoded=True)
        async with self.session.request(
            method, url, headers=headers, server_hostname=NAME, **more
        ) as answer:
            return answer.status, await answer.read()


def nginx(folder: Path, upstream: str, port: int) -> list[str]:
    pem, private = certificate(folder)
    site = replaced(
        "nginx.conf",
        ("127.0.0.1:8080", upstream),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/loyalty.example.com.pem", str(pem)),
        ("/etc/ssl/private/loyalty.example.com.key", str(private)),
    )
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/site.conf; }}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, upstream: str, port: int) -> list[str]:
    pem, private = certificate(folder)
    head = f"{NAME} {{\n", f"{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {pem} {private}\n"
    site = replaced("Caddyfile", ("127.0.0.1:8080", upstream), head)
    options = "{\n\tadmin off\n\tauto_https off\n\tstorage file_system " + str(folder) + "\n}\n"
    (folder / "Caddyfile").write_text(options + site)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@asynccontextmanager
async def proxied(before: Api, folder: Path, kind: str) -> AsyncIterator[Proxy]:
    if shutil.which(kind) is None:
        absent(f"there is no {kind}")
    port = free_port()
    upstream = before.process.url.removeprefix("http://")
    command = {"nginx": nginx, "caddy": caddy}[kind](folder, upstream, port)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    connector = aiohttp.TCPConnector(ssl=trust)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            proxy = Proxy(f"https://127.0.0.1:{port}", before.key, session)
            await until_it_listens(port)
            yield proxy
    finally:
        process.terminate()
        await process.wait()


async def until_it_listens(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0)
            else:
                writer.close()
                return


@pytest.mark.parametrize(("kind", "duplex"), [("nginx", True), ("caddy", False)])
async def test_a_sample_passes_on_what_tierline_needs(
    api: Api, tmp_path: Path, kind: str, *, duplex: bool
) -> None:
    """Names with a slash in them, and uploads, where the proxy can answered while they are read;
    not /metrics."""
    async with proxied(api, tmp_path, kind) as proxy:
        made, _ = await proxy.call("PUT", "/api/programs/club", json=CLUB)
        named, _ = await proxy.call("PUT", "/api/customers/a%2Fb", json={"name": "Ab"})
        _, customer = await proxy.call("GET", "/api/customers/a%2Fb")
        inside, _ = await proxy.call("GET", "/metrics")
        answered: asyncio.Queue[bytes] = asyncio.Queue()

        async def lines() -> AsyncIterator[bytes]:
            for number in range(3):
                activity = {"key": f"o{number}", "customer": "a/b", "kind": "earn", "points": 60}
                yield json.dumps(activity).encode() + b"\n"
                if duplex:
                    await answered.get()  # the next line only when this one was answered

        url = f"{proxy.url}/api/programs/club/activities"
        headers = {
            "authorization": f"Bearer {api.key}",
            "host": NAME,
            "content-type": "application/x-ndjson",
        }
        answers = []
        async with asyncio.timeout(60):
            async with proxy.session.post(
                url, data=lines(), headers=headers, server_hostname=NAME
            ) as answer:
                async for line in answer.content:
                    answers.append(json.loads(line)["balance"])
                    answered.put_nowait(line)

    assert (made, named, inside) == (201, 201, 404)
    assert json.loads(customer)["source_id"] == "a/b"
    assert answers == [60, 120, 180]
