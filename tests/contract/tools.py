"""Other people's tools, held against a live server: the document is valid, generated clients call
it, and made-up requests never get an answer that the document does not foresee.

The Python tools have a virtual environment of their own (`requirements-contract.txt`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
TOOLS = ROOT / ".venv" / "contract" / "bin"
NATIVE, VOUCHERIFY = "/openapi.json", "/openapi/voucherify.json"
SECONDS = 3_600 * 24 * 7
# What would end the run for others: keys are ours, and a clock that is moved far takes long.
EXCLUDED = ("delete_key", "post_clock", "delete_project")
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "unsupported_method",
    "allow_header_conformance", "ignored_auth", "ndjson_lines",
)  # fmt: skip
# A pair of headers proves a vendor's key; the tool leaves out one and still sends the other's pair.
VENDOR_CHECKS = tuple(check for check in CHECKS if check != "ignored_auth")


def run(*command: str | Path, cwd: Path = ROOT, text: str = "", **variables: str) -> str:
    """Returns what a command printed. Raises AssertionError, with that, where it failed."""
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"  # generators format with the tools' ruff
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, "PATH": path, **variables},
        input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8_000:]
    return done.stdout


def document(url: str, directory: Path, path: str = NATIVE) -> Path:
    """A document as the server answers it, in a file."""
    file = directory / path.rpartition("/")[2]
    with urllib.request.urlopen(f"{url}{path}") as answer:  # noqa: S310 - our own server
        file.write_bytes(answer.read())
    return file


def vendor_headers(url: str, key: str, vendor: str) -> tuple[str, ...]:
    """The header fields that prove a new key of a vendor's kind, each `Name: value`."""
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/api/keys", json.dumps({"kind": vendor}).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"}, method="POST",
    )  # fmt: skip
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
        made = json.load(answer)
    names = ("app_id", "app_token", "management_id", "management_token")
    pairs = (*names, "client_application_id", "client_token")
    return tuple(f"X-{name.replace('_', '-')}: {made[name]}" for name in pairs)


def validate(file: Path) -> str:
    return run(TOOLS / "openapi-spec-validator", file)


def call_from_python(file: Path, url: str, key: str) -> str:
    """Generates the Python client, and calls with it."""
    client = file.parent / "tierline_client"
    run(
        TOOLS / "openapi-python-client", "generate", "--path", file,
        "--output-path", client, "--meta", "none", "--overwrite",
    )  # fmt: skip
    shutil.copy(HERE / "python_client.txt", file.parent / "calls.py")
    return run(TOOLS / "python", file.parent / "calls.py", url, key, cwd=file.parent)


def hold_webhooks(file: Path, lines: str) -> str:
    """Returns how many rendered webhooks, lines of `{"webhook", "body"}`, are as foreseen."""
    script = file.parent / "webhook_bodies.py"
    shutil.copy(HERE / "webhook_bodies.txt", script)
    return run(TOOLS / "python", script, file, text=lines)


def call_from_typescript(file: Path, url: str, key: str) -> str:
    """Generates the TypeScript types, checks the calls by them, and makes the calls."""
    project = file.parent / "typescript"
    shutil.copytree(HERE / "typescript", project, dirs_exist_ok=True)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=project)
    # What has a default need not be sent, and the types serve requests as well as answers.
    options = ("--default-non-nullable", "false", "-o", "schema.d.ts")
    run("npx", "openapi-typescript", file, *options, cwd=project)
    run("npx", "tsc", "--project", ".", cwd=project)
    return run("node", "calls.js", url, key, cwd=project)


def random_requests(
    file: Path, url: str, headers: tuple[str, ...], cases: int, seed: int
) -> str:  # fmt: skip
    """So many requests made of a document, by our own quick hand; see `random_requests.py`."""
    script = "tests.contract.random_requests"
    return run(TOOLS / "python", "-m", script, url, file, str(cases), str(seed), *headers)


def try_requests(
    url: str, headers: tuple[str, ...], examples: int, seed: int, workers: int = 1,
    path: str = NATIVE, phases: str = "examples,coverage,fuzzing,stateful",
) -> str:  # fmt: skip
    """Makes up requests to every operation: examples, boundaries, random ones, and sequences in
    which one answer leads to the next request; or some of these `phases`. `examples` is how many
    random ones an operation gets. Every answer is held against its schema."""
    return run(
        TOOLS / "schemathesis", "run", f"{url}{path}",
        *(part for header in headers for part in ("--header", header)),
        "--checks", ",".join(CHECKS if path == NATIVE else VENDOR_CHECKS),
        "--phases", phases, "--max-examples", str(examples),
        "--seed", str(seed), "--workers", str(workers),
        "--suppress-health-check", "all", "--continue-on-failure", "--request-timeout", "60",
        "--warnings", "off", "--no-color",
        *(part for name in EXCLUDED for part in ("--exclude-operation-id", name)),
        SCHEMATHESIS_HOOKS="tests.contract.ndjson", PYTHONPATH=str(ROOT),
    )  # fmt: skip
