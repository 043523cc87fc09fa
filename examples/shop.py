"""What shopify.py and woocommerce.py share: a small server for a shop's signed webhooks, which
tells Tierline each order's whole state. The standard library alone.

Settings, from the environment:
TIERLINE_URL      where Tierline is; http://127.0.0.1:8080 if not given
TIERLINE_KEY      a key with write_customers
TIERLINE_PROGRAM  the program's id
WEBHOOK_SECRET    the shop's secret, which signs its webhooks
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BODY_BYTES_MAX = 2 * 2**20
# ISO 4217: currencies whose smallest unit is not a hundredth.
DIGITS = dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"), 0)
DIGITS |= dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)

Statement = dict[str, Any]


def minor(amount: str | float | None, currency: str) -> int:
    """A price as shops print it ("49.90"), in minor units (4990)."""
    return int(Decimal(str(amount or 0)).scaleb(DIGITS.get(currency, 2)).to_integral_value())


def genuine(body: bytes, signature: str, secret: str) -> bool:
    """Whether a shop signed these very bytes: base64 of HMAC-SHA256, as both shops do it."""
    expected = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())
    return hmac.compare_digest(expected, signature.encode("latin-1"))


def send(statement: Statement) -> tuple[int, Any]:
    """Tells Tierline; returns its status and answer. Sending again does no harm."""
    url = os.environ.get("TIERLINE_URL", "http://127.0.0.1:8080")
    program = urllib.parse.quote(os.environ["TIERLINE_PROGRAM"], safe="")
    request = urllib.request.Request(
        f"{url}/api/programs/{program}/activities",
        json.dumps(statement).encode(),
        {
            "authorization": f"Bearer {os.environ['TIERLINE_KEY']}",
            "content-type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)
    except OSError as away:
        return 503, {"detail": str(away)}


def status_for_shop(status: int) -> int:
    """What the shop hears. It sends again what is not answered 200: so also what can never go in
    is taken, and stands in the log."""
    return 200 if status < 500 and status != 429 else 503


def serve(
    port: int, header: str, statement_of: Callable[[str, Any], Statement | None], topic: str
) -> None:
    """Serves for ever. `header` has the signature, `topic` what happened."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size) if size <= BODY_BYTES_MAX else b""
            signature = self.headers.get(header, "")
            if not genuine(body, signature, os.environ["WEBHOOK_SECRET"]):
                self.answer(401)
                return
            statement = statement_of(self.headers.get(topic, ""), json.loads(body))
            if statement is None:
                self.answer(200)
                return
            status, answer = send(statement)
            print(json.dumps({"statement": statement, "status": status, "answer": answer}))
            sys.stdout.flush()
            self.answer(status_for_shop(status))

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Hook)
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()
