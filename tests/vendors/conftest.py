"""Node, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.vendors.javascript import Node


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A running Node; without one its tests are skipped, and the summary says so."""
    if shutil.which("node") is None:
        pytest.skip("no Node.js on this machine: JavaScript's own answer was not asked")
    with Node() as process:
        yield process
