"""The README's first steps, as they stand there, to the signature that verifies."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.process import ROOT, Served

SDK_PYTHON = ROOT / ".venv" / "sdk" / "bin" / "python"


def blocks(title: str = "From nothing to a webhook", language: str = "sh") -> list[str]:
    """A section's lines for a shell, block by block."""
    section = (ROOT / "README.md").read_text().partition(f"## {title}")[2]
    section = section.partition("\n## ")[0]
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, section, re.MULTILINE | re.DOTALL)


@contextmanager
def running(line: str) -> Iterator[subprocess.Popen[str]]:
    """A shell that becomes the receiver, so that ending it ends that."""
    process = subprocess.Popen(
        ["sh", "-c", f"exec {line}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_the_example_ends_in_a_verified_signature(data_dir: Path) -> None:
    """Voucherify's header, by the secret that the first start wrote."""
    with Served(data_dir) as served:
        port = free_port()
        here = {
            "localhost:8080": served.url.removeprefix("http://"),
            "127.0.0.1:9000": f"127.0.0.1:{port}",
            "receiver.py 9000": f"receiver.py {port}",
            "tierline-data/": f"{data_dir}/",
            "python3": sys.executable,
        }
        texts = []
        for block in blocks():
            text = block
            for said, meant in here.items():
                text = text.replace(said, meant)
            texts.append(text)
        receiver, calls = texts
        with running(receiver) as process:
            done = subprocess.run(
                ["sh", "-ec", calls.replace("curl ", "curl -sS --fail-with-body --retry 9 ")],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            assert process.stdout is not None
            listens, first = process.stdout.readline(), process.stdout.readline()

    assert listens == f"listening on http://127.0.0.1:{port}\n"
    assert re.fullmatch(r"--- whs_\S+ \(verified\)\n", first)
    assert '"secret":"voucherify.webhook_secret"' in done.stdout


@pytest.mark.sdk
def test_voucherifys_sdk_ends_in_a_verified_signature(data_dir: Path) -> None:
    """Their routes by curl, then their SDK: the webhook is signed with the project's secret."""
    with Served(data_dir) as served:
        port = free_port()
        here = {
            "localhost:8080": served.url.removeprefix("http://"),
            "127.0.0.1:9000": f"127.0.0.1:{port}",
            "receiver.py 9000": f"receiver.py {port}",
            "tierline-data/": f"{data_dir}/",
            "python3": sys.executable,
        }
        title = "Voucherify's SDK, unmodified"
        texts = [blocks()[0], *blocks(title), *blocks(title, "python")]
        for said, meant in here.items():
            texts = [text.replace(said, meant) for text in texts]
        receiver, calls, program = texts
        calls = calls.replace("curl ", "curl -sS --fail-with-body --retry 9 ")
        outputs = []
        with running(receiver) as process:
            for arguments in (["sh", "-ec", calls], [str(SDK_PYTHON), "-c", program]):
                done = subprocess.run(arguments, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stdout + done.stderr
                outputs.append(done.stdout)
            assert process.stdout is not None
            process.stdout.readline()
            first = process.stdout.readline()

    assert outputs[-1] == "120\n"
    assert re.fullmatch(r"--- whs_\S+ \(verified\)\n", first)
