"""A webhook receiver in the standard library alone: verifies each signature and prints the event.

python3 examples/receiver.py 9000 whsec_...      (the secret that creating the endpoint showed)
python3 examples/receiver.py 9000 SECRET         (a Voucherify key's webhook_secret, or the
                                                  site_secret of a LoyaltyLion key)
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLERANCE_SECONDS = 300


def verified(headers: Message, body: bytes, secret: str) -> bool:
    """By Standard Webhooks with a `whsec_` secret, else by the vendor's header."""
    if secret.startswith("whsec_"):
        return standard(headers, body, secret)
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    given = headers.get("x-voucherify-signature"), headers.get("x-loyaltylion-hmac-sha256")
    expected = digest.hex(), base64.b64encode(digest).decode()
    return any(hmac.compare_digest(e, g or "") for e, g in zip(expected, given, strict=True))


def standard(headers: Message, body: bytes, secret: str) -> bool:
    """Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, any of the space-separated ones."""
    stamp = headers.get("webhook-timestamp", "0")
    if abs(time.time() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{stamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected, signature) for signature in given)


class Receiver(BaseHTTPRequestHandler):
    secret = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        genuine = not self.secret or verified(self.headers, body, self.secret)
        self.send_response(200 if genuine else 401)
        self.send_header("content-length", "0")
        self.end_headers()
        mark = "not checked" if not self.secret else "verified" if genuine else "FORGED"
        print(f"--- {self.headers.get('webhook-id')} ({mark})", flush=True)
        print(json.dumps(json.loads(body), indent=2, ensure_ascii=False), flush=True)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    Receiver.secret = sys.argv[2] if len(sys.argv) > 2 else ""
    server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
