"""What a release brings beside the wheel: a manual page, and a list of what it consists of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.conftest import absent
from tests.test_docs import commands
from tierline import __version__
from tierline.cli import main

ROOT = Path(__file__).parents[2]


def test_the_manual_has_every_command_and_option() -> None:
    """And nothing in a text is a request to the formatter."""
    page = CliRunner().invoke(main, ["manual"]).output

    assert page.startswith(f'.TH TIERLINE 1 "" "tierline {__version__}"')
    for path, command in commands():
        assert f".SS tierline {' '.join(path)}".replace("-", "\\-") in page
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.opts[0].replace("-", "\\-") in page
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".TP", ".B", ".I"}


def test_the_bill_of_materials_names_every_pin() -> None:
    """With this version and a hash of each package."""
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "sbom"], capture_output=True, check=True
    ).stdout
    bill = json.loads(printed)
    pins = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == __version__
    assert [each["name"] for each in bill["components"]] == pins
    assert all(each["properties"] for each in bill["components"])


def test_the_bill_may_be_read_in_part() -> None:
    """As `| head` does; the rest is more than a pipe holds."""
    with subprocess.Popen(
        [sys.executable, ROOT / ".ci" / "sbom"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"{\n"
        process.stdout.close()

        assert process.stderr.read() == b""


@pytest.mark.programs
def test_the_unit_is_as_closed_as_the_page_says() -> None:
    """By systemd's own measure; another release of systemd may look at one point more."""
    analyser = shutil.which("systemd-analyze")
    if analyser is None:
        absent("there is no systemd-analyze")
    page = (ROOT / "docs" / "operating.md").read_text()
    command, documented = re.findall(r"`(systemd-analyze [^`]+)`: exposure ([0-9.]+)", page)[0]

    printed = subprocess.run(
        [analyser, *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    measured = re.findall(r"exposure level for tierline.service: ([0-9.]+)", printed)[0]
    assert float(measured) <= float(documented) + 0.3
