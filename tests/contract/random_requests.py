"""Random requests in number, made of a document's own schemas: right, wrong, and of what former
answers said. Each answer is held against the document.

    python -m tests.contract.random_requests URL DOCUMENT CASES SEED "Name: value"…

Runs in the tools' environment, for jsonschema-rs. Ends with 1 at the first answer of the 500s, or
whose status, content type or schema the document does not foresee, and prints the request.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jsonschema_rs

Json = Any
WORKERS = 4
PATIENCE = 5  # times that a request is sent while the server says that it is busy
PROGRESS = 50_000  # a line after so many requests
NDJSON = "application/x-ndjson"
# What would end the run for others, stand still or wait; a clock that is moved far takes long.
EXCLUDED = frozenset({"delete_key", "post_clock", "delete_project"})
STREAMS = "text/event-stream"
ODD: tuple[Json, ...] = (
    None, "", " ", "..", "x" * 5_000, "\x00", "\ud83d\ude00", "2024-02-30", "P1Y", "-1", -1, 0, 1,
    2**53, 2**63, 1.5, -0.0, True, False, [], {}, [None], {"": None}, "%", "a/b", "ä",
)  # fmt: skip
WORDS = ("anna", "ben", "club", "gold", "silver", "a-1", "order-1", "web", "EUR", "earn")
FORMATS = {
    "date-time": ("2024-01-01T00:00:00Z", "2030-12-31T23:59:59.999+14:00", "2024-02-29T12:00:00Z"),
    "date": ("2024-02-29", "2024-12-31", "1999-01-01"),
    "uri": ("http://127.0.0.1:9/hook", "https://example.com/a?b=c"),
    "email": ("anna@example.com", "BEN@example.com"),
}


@dataclass
class Operation:
    """One route and method of a document."""

    id: str
    method: str
    path: str
    parameters: list[Json]
    body: Json | None
    responses: Json


class Document:
    """An OpenAPI document, and the validators of its answers, made when they are needed."""

    def __init__(self, root: Json) -> None:
        self.root = root
        self._validators: dict[tuple[str, int, str], Any] = {}

    def resolved(self, schema: Json) -> Json:
        while isinstance(schema, dict) and "$ref" in schema:
            place = self.root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                place = place[part.replace("~1", "/").replace("~0", "~")]
            schema = place
        return schema

    def operations(self) -> list[Operation]:
        made = []
        for path, item in self.root["paths"].items():
            for method, spec in item.items():
                if method not in ("get", "put", "post", "delete", "patch"):
                    continue
                parameters = [*item.get("parameters", ()), *spec.get("parameters", ())]
                one = Operation(
                    spec["operationId"], method.upper(), path,
                    [self.resolved(p) for p in parameters], self.resolved(spec.get("requestBody")),
                    {code: self.resolved(r) for code, r in spec["responses"].items()},
                )  # fmt: skip
                kinds = {kind for r in one.responses.values() for kind in r.get("content", ())}
                if one.id not in EXCLUDED and STREAMS not in kinds:
                    made.append(one)
        return made

    def wrong(self, operation: Operation, status: int, kind: str, body: bytes) -> str | None:
        """What an answer has that the document does not foresee."""
        if status >= 500:
            return "an answer of the 500s"
        codes = (str(status), f"{status // 100}XX", "default")
        answer = next((operation.responses[c] for c in codes if c in operation.responses), None)
        if answer is None:
            return f"status {status} is not in the document"
        content = {k.partition(";")[0]: v for k, v in answer.get("content", {}).items()}
        if not body:
            return None
        if kind not in content:
            return f"content type {kind} is not in the document, which has {sorted(content)}"
        if "json" not in kind:
            return None
        validator = self._validator((operation.id, status, kind), content[kind].get("schema", {}))
        for text in body.splitlines() if kind == NDJSON else (body,):
            error = next(validator.iter_errors(json.loads(text)), None)
            if error is not None:
                return f"{error.message[:600]} at {list(error.instance_path)}"
        return None

    def _validator(self, key: tuple[str, int, str], schema: Json) -> Any:
        if key not in self._validators:
            whole = {**schema, "components": self.root.get("components", {})}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        return self._validators[key]


class Values:
    """Makes values for schemas; remembers names that were in use."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.names: dict[str, deque[Json]] = defaultdict(lambda: deque(maxlen=100))

    def remember(self, value: Json, name: str = "") -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                self.remember(inner, key)
        elif isinstance(value, list):
            for inner in value[:3]:
                self.remember(inner, name)
        elif isinstance(value, (str, int)) and name and len(str(value)) < 100:
            self.names[name].append(value)

    def value(self, chance: random.Random, schema: Json, name: str = "", depth: int = 0) -> Json:
        schema = self.document.resolved(schema)
        drawn = chance.random()
        if drawn < 0.02 or not isinstance(schema, dict):
            return chance.choice(ODD)
        if drawn < 0.5 and self.names[name] and schema.get("type") in ("string", "integer"):
            return chance.choice(self.names[name])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return chance.choice(schema["enum"])
        examples = schema.get("examples", [schema["example"]] if "example" in schema else [])
        if examples and drawn < 0.7:
            return chance.choice(examples)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self.value(chance, chance.choice(schema[word]), name, depth)
        if "allOf" in schema:
            parts = [self.value(chance, part, name, depth) for part in schema["allOf"]]
            return {k: v for part in parts if isinstance(part, dict) for k, v in part.items()}
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = chance.choice(kind)
        return self._of_kind(chance, kind, schema, name, depth)

    def _of_kind(
        self, chance: random.Random, kind: str, schema: Json, name: str, depth: int
    ) -> Json:
        if kind == "object":
            return self._object(chance, schema, depth)
        if kind == "array":
            count = chance.choice((0, 1, 1, 2, 3)) if depth < 6 else 0
            items = schema.get("items", {})
            return [self.value(chance, items, name, depth + 1) for _ in range(count)]
        if kind in ("integer", "number"):
            low, high = schema.get("minimum", -5), schema.get("maximum", 1_000_000)
            return chance.choice((low, high, chance.randint(int(low), int(high)), 1, 100))
        if kind == "boolean":
            return chance.random() < 0.5
        if kind == "null":
            return None
        if schema.get("format") in FORMATS:
            return chance.choice(FORMATS[schema["format"]])
        text = chance.choice(WORDS)
        return text.ljust(min(schema.get("minLength", 0), 10_000), "x")

    def _object(self, chance: random.Random, schema: Json, depth: int) -> Json:
        required = schema.get("required", ())
        often = 0.3 if depth < 6 else 0
        made = {
            name: self.value(chance, inner, name, depth + 1)
            for name, inner in schema.get("properties", {}).items()
            if name in required or chance.random() < often
        }
        more = schema.get("additionalProperties", False)
        if isinstance(more, dict) and chance.random() < 0.5:
            made[chance.choice(WORDS)] = self.value(chance, more, "", depth + 1)
        if chance.random() < 0.01:
            made["unforeseen"] = chance.choice(ODD)
        if made and chance.random() < 0.01:
            made.pop(chance.choice(tuple(made)))
        return made


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None
    names: Json  # what to remember if it is taken


class Requests:
    """Makes requests, sends them and holds the answers."""

    def __init__(self, url: str, document: Document, headers: dict[str, str], cases: int) -> None:
        self.host = urlsplit(url).netloc
        self.document, self.headers, self.left = document, headers, cases
        self.values = Values(document)
        self.operations = document.operations()
        self.answers: Counter[int] = Counter()
        self.failure = ""
        self.lock = threading.Lock()

    def made(self, chance: random.Random, operation: Operation) -> Request:
        path, headers = operation.path, dict(self.headers)
        names: Json = {}
        query: list[tuple[str, bytes]] = []
        for parameter in operation.parameters:
            name, place = parameter["name"], parameter["in"]
            if place != "path" and not parameter.get("required") and chance.random() < 0.6:
                continue
            ids = self.values.names["id"]
            if place == "path" and ids and chance.random() < 0.3:
                value = chance.choice(ids)  # of whatever it was
            else:
                value = 0 if name == "wait" else self._value(chance, parameter)
            text = value if isinstance(value, str) else json.dumps(value)
            if place == "path":
                text = text.encode(errors="replace").decode() or "x"
                path = path.replace(f"{{{name}}}", quote(text, safe=""))
                names[name] = value
            elif place == "query":
                query.append((name, text.encode(errors="replace")))
            elif place == "header" and text.isascii() and text.isprintable():
                headers[name] = text
        body = None
        if operation.body is not None and chance.random() < 0.99:
            kind, media = chance.choice(tuple(operation.body["content"].items()))
            body, said = self._body(chance, kind, media)
            headers["Content-Type"] = kind
            names = [names, said]
        if chance.random() < 0.01:
            headers.pop(chance.choice(tuple(headers)))
        target = f"{path}?{urlencode(query)}" if query else path
        return Request(operation.method, target, headers, body, names)

    def _value(self, chance: random.Random, parameter: Json) -> Json:
        return self.values.value(chance, parameter.get("schema", {}), parameter["name"])

    def _body(self, chance: random.Random, kind: str, media: Json) -> tuple[bytes, Json]:
        examples = [e["value"] for e in media.get("examples", {}).values() if "value" in e]
        if "example" in media:
            examples.append(media["example"])
        if examples and chance.random() < 0.4:
            said = chance.choice(examples)
        else:
            said = self.values.value(chance, media.get("schema", {}))
        if kind == NDJSON and not isinstance(said, str):
            lines = [said, self.values.value(chance, media.get("schema", {}))]
            return b"\n".join(json.dumps(line).encode() for line in lines), lines
        if "form" in kind and isinstance(said, dict):
            return urlencode(
                {k: str(v).encode(errors="replace") for k, v in said.items()}
            ).encode(), said
        text = said if isinstance(said, str) and "json" not in kind else json.dumps(said)
        return text.encode(errors="replace"), said

    def work(self, seed: str) -> None:
        """One connection's share; until enough were tried, or one answer was not foreseen."""
        chance, connection = random.Random(seed), http.client.HTTPConnection(self.host, timeout=60)
        while not self.failure:
            with self.lock:
                if self.left <= 0:
                    break
                self.left -= 1
                if self.left % PROGRESS == 0 and self.left:
                    print(f"{self.left:,} to come", flush=True)
            operation = chance.choice(self.operations)
            request = self.made(chance, operation)
            try:
                self._hold(connection, operation, request)
            except Exception as error:  # noqa: BLE001 - no answer, or one that nobody can read
                self._fail(request, f"{type(error).__name__}: {error}", b"")
        connection.close()

    def _hold(
        self, connection: http.client.HTTPConnection, operation: Operation, request: Request
    ) -> None:
        answer, body = self._sent(connection, request)
        for _ in range(PATIENCE):
            again = answer.headers.get("Retry-After")
            if answer.status != 503 or again is None:
                break
            time.sleep(int(again))  # previews are few at a time: the server said when
            answer, body = self._sent(connection, request)
        kind = (answer.headers.get("Content-Type") or "").partition(";")[0]
        wrong = self.document.wrong(operation, answer.status, kind, body)
        if wrong is not None:
            self._fail(request, f"{answer.status}: {wrong}", body)
        elif answer.status < 300:
            self.values.remember(request.names)
            if "json" in kind and kind != NDJSON and len(body) < 20_000:
                self.values.remember(json.loads(body) if body else None)

    def _sent(
        self, connection: http.client.HTTPConnection, request: Request
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection.request(request.method, request.target, request.body, request.headers)
        answer = connection.getresponse()
        self.answers[answer.status] += 1
        return answer, answer.read()

    def _fail(self, request: Request, reason: str, body: bytes) -> None:
        sent = (request.body or b"").decode(errors="replace")[:3_000]
        said = body.decode(errors="replace")[:2_000]
        target = request.target[:3_000]
        self.failure = f"{request.method} {target}\n{sent}\n{reason}\n{said}"


def main() -> int:
    url, file, cases, seed, *headers = sys.argv[1:]
    document = Document(json.loads(Path(file).read_text()))
    fields = dict(header.split(": ", 1) for header in headers)
    requests, began = Requests(url, document, fields, int(cases)), time.monotonic()
    workers = [
        threading.Thread(target=requests.work, args=(f"{seed} {n}",)) for n in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    count, seconds = sum(requests.answers.values()), time.monotonic() - began
    statuses = ", ".join(f"{n:,} x {status}" for status, n in sorted(requests.answers.items()))
    print(f"{count:,} requests in {seconds:,.0f} s, seed {seed}: {statuses}")
    if requests.failure:
        print(requests.failure)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
