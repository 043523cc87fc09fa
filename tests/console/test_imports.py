"""Imports by the console: sent, tried, run; and what a form with a file may not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from tests.console.forms import PEOPLE
from tests.console.imported import BOUNDARY, imported, multipart, page_with, upload
from tests.console.visitor import Visitor, signed_in, text_of
from tests.web.conftest import Api
from tests.web.erasure.traces import in_files
from tierline.clock import wall
from tierline.console import upload_form
from tierline.console.upload_form import SentFile, read_upload
from tierline.errors import TierlineError
from tierline.people.errors import ForgeryRefused
from tierline.web.file_retention import FileRetention


async def test_a_file_is_tried_and_run(shop: Api, maya: Visitor) -> None:
    """Nothing is written before it is run; what is refused comes back with its reason."""
    id_ = await imported(maya)
    tried = text_of(await maya.page(f"/imports/{id_}"))
    assert "Customers would be made 1" in tried
    assert "Records would be refused 1" in tried
    assert "3 points" in tried
    assert (await shop.get("/api/customers/zed")).status == 404
    rejects = await maya.get(f"{maya.root}/imports/{id_}/rejects")
    assert rejects.body.startswith(b"customer,name,points,refused\nyan,Yan,no,")
    assert "attachment" in rejects.headers["content-disposition"]
    answer = await maya.send(f"/imports/{id_}", {"command": "run"})
    assert answer.status == 303
    done = text_of(await page_with(maya, id_, "done"))
    assert "Customers made 1" in done
    member = await shop.get("/api/programs/club/members/zed")
    assert member.json["points"]["balance"] == 50
    assert (await maya.send(f"/imports/{id_}", {"command": "run"})).status == 409
    lines = (await shop.get("/api/audit?kind=import")).json["changes"]
    users = {line["actor"] for line in lines}
    assert {line["kind"] for line in lines} == {"import.begun", "import.ended"}
    assert users == {(await maya.get("/api/session")).json["user"]}
    assert (await maya.send(f"/imports/{id_}", {"command": "remove"})).status == 303
    assert (await maya.get(f"{maya.root}/imports/{id_}")).status == 404


async def test_nothing_of_it_is_left_after_a_while(shop: Api, maya: Visitor) -> None:
    """A file that is in is taken away; of the rest (one that was never run, what was refused, what
    is known of each) nothing outlives the people in it by more than a week."""
    done, tried = await imported(maya), await imported(maya)
    await maya.send(f"/imports/{done}", {"command": "run"})
    await page_with(maya, done, "done")
    files = shop.installation.files
    waiting = {path.name.partition(".")[0] for path in files.rglob("*.data.csv")}
    assert (done in waiting, tried in waiting) == (False, True)  # others' files may lie there
    assert (await shop.post("/api/customers/zed/erase")).status == 200
    assert in_files(files / "imports", "Zed") != []

    def look(days: int) -> int:
        later = wall() + days * 86_400_000
        return FileRetention([files / "imports"], 7 * 86_400_000, lambda: later).look()

    assert look(6) == 0
    assert look(8) >= 5  # two notes, two rejects, one file
    assert list((files / "imports").glob("*/*")) == []
    assert "imp_" not in await maya.page("/imports")


async def test_what_is_no_import_is_refused(shop: Api, maya: Visitor) -> None:
    """And leaves no file."""
    people = ("people.csv", PEOPLE.encode())
    assert (await upload(maya, None)).status == 400
    assert (await upload(maya, ("", b""))).status == 400
    assert (await upload(maya, people, program="none")).status == 404
    assert (await upload(maya, people, csrf="forged")).status == 403
    for path in ("/imports/imp_0", "/imports/..%2Fx", f"/imports/imp_{'0' * 24}/rejects"):
        assert (await maya.get(f"{maya.root}{path}")).status == 404, path
    viewer = await signed_in(shop, "vera@example.com", "viewer")
    assert (await viewer.get(f"{viewer.root}/imports")).status == 403
    assert (await upload(viewer, people)).status == 403
    broken = await upload(maya, ("people.csv", b"colour,Customer\nred,ann\n"))
    id_ = broken.headers["location"].rpartition("/")[2]
    assert "There is no column" in text_of(await page_with(maya, id_, "stopped"))
    assert not list((shop.installation.files / "imports").rglob("*.part"))
    assert (await maya.send(f"/imports/{id_}", {"command": "dance"})).status == 400


# The form ---------------------------------------------------------------------------------------


async def read(tmp_path: Path, body: bytes, step: int = 7, boundary: str = BOUNDARY) -> SentFile:
    """In chunks of so many bytes."""
    chunks = [body[i : i + step] for i in range(0, len(body), step)]
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0)

    headers = [(b"content-type", f"multipart/form-data; boundary={boundary}".encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)

    def is_meant(form: Any) -> None:
        if form.raw("csrf") != "right":
            raise ForgeryRefused

    return await read_upload(request, tmp_path / "sent", is_meant)


@pytest.mark.parametrize("step", [1, 7, 4096])
async def test_a_file_comes_as_it_was(tmp_path: Path, step: int) -> None:
    """However it is cut, and whatever is in it."""
    content = b"\r\n--" + BOUNDARY.encode()[:-1] + b"\r\n\x00\xff--\r\n\r"
    sent = await read(tmp_path, multipart({"csrf": "right", "q": "ü"}, ("ü.csv", content)), step)
    assert (sent.name, sent.size, sent.form.text("q")) == ("ü.csv", len(content), "ü")
    assert (tmp_path / "sent").read_bytes() == content


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid"),
        (b"nothing at all", "invalid"),
        (b"x" * 100 + multipart({"csrf": "right"}, None), "too_large"),
        (multipart({"csrf": "right"}, ("a.csv", b"abc"))[:-20], "invalid"),
        (multipart({"csrf": "wrong"}, ("a.csv", b"abc")), "forgery_refused"),
        (multipart({}, ("a.csv", b"abc")), "forgery_refused"),
        (multipart({"csrf": "x" * 20_000}, None), "too_large"),
        (multipart({"csrf": "right", "a": "\0"}, None), "invalid"),
        (f"--{BOUNDARY}\r\nX: y\r\n\r\nz\r\n--{BOUNDARY}--".encode(), "invalid"),
        (f"--{BOUNDARY}\r\n{'x' * 5000}\r\n\r\n".encode(), "too_large"),
    ],
)
async def test_what_is_no_form_leaves_no_file(tmp_path: Path, body: bytes, code: str) -> None:
    with pytest.raises(TierlineError) as refusal:
        await read(tmp_path, body)
    assert refusal.value.code == code
    assert list(tmp_path.iterdir()) == []


async def test_a_file_may_be_only_so_large(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(upload_form, "UPLOAD_BYTES_MAX", 5)
    with pytest.raises(TierlineError) as refusal:
        await read(tmp_path, multipart({"csrf": "right"}, ("a.csv", b"123456")))
    assert refusal.value.code == "too_large"
    assert list(tmp_path.iterdir()) == []
