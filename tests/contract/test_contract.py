"""The OpenAPI document by other people's tools, against a live server; `make contract` for more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import absent, scratch
from tests.contract import tools
from tests.e2e.process import Served
from tests.vendors.announcements import endpoint, one_of_each_kind
from tierline.vendors.registry import FORMATS

pytestmark = pytest.mark.contract
EXAMPLES = 4  # random requests an operation, besides the boundaries of its schema
MANY = 3_000  # random requests of our own
SEED = 7


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    if not tools.TOOLS.exists():
        absent("the tools of requirements-contract.txt; `make contract` installs them")
    with scratch() as directory, Served(directory) as served:
        yield served


@pytest.fixture
def file(server: Served, tmp_path: Path) -> Path:
    return tools.document(server.url, tmp_path)


@pytest.mark.parametrize("path", [tools.NATIVE, tools.VOUCHERIFY])
def test_a_document_is_valid(server: Served, tmp_path: Path, path: str) -> None:
    """OpenAPI 3.1, as the specification's own schema has it."""
    assert "OK" in tools.validate(tools.document(server.url, tmp_path, path))


def test_a_generated_python_client_calls(server: Served, file: Path) -> None:
    """Typed answers to real calls: programs, members, activities, events, endpoints, problems."""
    assert tools.call_from_python(file, server.url, server.key).strip() == "called"


def test_a_generated_typescript_client_calls(server: Served, file: Path) -> None:
    """The calls are checked by the generated types before they are made."""
    if shutil.which("npm") is None:
        absent("npm: the TypeScript client was not generated")
    assert tools.call_from_typescript(file, server.url, server.key).strip() == "called"


def test_webhooks_are_as_the_document_foresees(file: Path) -> None:
    """Every kind of event in every format, of endpoints with all sorts of options."""
    lines = [
        json.dumps({"webhook": f"{name}: {form.wire_names[kind]}", "body": json.loads(body)})
        for name, form in FORMATS.items()
        for announcement in one_of_each_kind()
        for options in ({}, {"thin": True, "position_base": 0}, {"extended": True})
        if (kind := announcement.event.kind) in form.wire_names
        and (body := form.render(announcement, endpoint(name, **options), form.versions[-1]))
    ]

    assert int(tools.hold_webhooks(file, "\n".join(lines))) == len(lines) > 60


@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing,stateful"])
def test_made_up_requests_get_answers_that_are_foreseen(server: Served, phases: str) -> None:
    """No answer of the 500s, none without its status, content type and schema. In two parts, which
    two processes may take at once."""
    headers = (f"Authorization: Bearer {server.key}",)
    text = tools.try_requests(server.url, headers, EXAMPLES, SEED, phases=phases)
    assert "No issues found" in text


def test_made_up_requests_to_voucherifys_routes_are_foreseen(server: Served) -> None:
    """As to the native ones."""
    headers = tools.vendor_headers(server.url, server.key, "voucherify")
    text = tools.try_requests(server.url, headers, EXAMPLES, SEED, path=tools.VOUCHERIFY)
    assert "No issues found" in text


@pytest.mark.parametrize("path", [tools.NATIVE, tools.VOUCHERIFY])
def test_random_requests_get_answers_that_are_foreseen(
    server: Served, tmp_path: Path, path: str
) -> None:
    """In number: four callers at once, who use what they were answered."""
    headers: tuple[str, ...] = (f"Authorization: Bearer {server.key}",)
    if path == tools.VOUCHERIFY:
        headers = tools.vendor_headers(server.url, server.key, "voucherify")
    file = tools.document(server.url, tmp_path, path)
    assert "requests in" in tools.random_requests(file, server.url, headers, MANY, SEED)
