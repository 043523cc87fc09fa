"""TLS contexts: verified always, 1.2 or newer, with an endpoint's own CA or client certificate.

Making one takes milliseconds (it parses the whole trust store), so equal settings share one.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tierline.errors import Invalid


@lru_cache(maxsize=4096)
def context(ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """`ca`: PEM of the only authorities to trust (None: the system's). `certificate`, `key`: the
    client's own, in PEM. Invalid, with the field's name, when one of them cannot be read."""
    for field, pem in (("ca", ca), ("client_certificate", certificate), ("client_key", key)):
        if pem is not None and not pem.isascii():
            raise Invalid(reason=f"{field}: PEM is ASCII text; send the file as it is.", path=field)
    try:
        made = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        raise Invalid(reason=f"The CA is not a certificate in PEM: {error}.", path="ca") from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    if certificate is not None:
        _load(made, certificate, key)
    return made


def _load(made: ssl.SSLContext, certificate: str, key: str | None) -> None:
    # OpenSSL's chain loader takes files only: a private one, gone again before anyone is answered.
    with tempfile.TemporaryDirectory(prefix="tierline-tls-") as folder:
        file = Path(folder) / "client.pem"
        file.touch(mode=0o600)
        file.write_text(certificate + "\n" + (key or ""))
        try:
            made.load_cert_chain(file, password=lambda: b"")
        except (ssl.SSLError, OSError) as error:
            reason = f"The client certificate and its key cannot be used: {error}."
            raise Invalid(reason=reason, path="client_certificate") from None


def proxy_parts(url: str) -> tuple[str, int, str | None]:
    """Host, port and `Proxy-Authorization` of `http://[user:password@]host:port`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 3128
    except ValueError:
        host = None
        port = 0
        parts = urlsplit("")
    if parts.scheme != "http" or not host:
        raise Invalid(reason="A proxy is http://[user:password@]host:port.", path="proxy")
    if parts.username is None:
        return host, port, None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return host, port, "Basic " + base64.b64encode(pair.encode()).decode()
