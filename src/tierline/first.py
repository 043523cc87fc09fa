"""The first start: a default project and its keys, so that a newcomer has something to call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tierline.clock import Clock
from tierline.errors import Conflict
from tierline.installed import Installation
from tierline.store.projects import NewProject
from tierline.store.secrets import write_private

DEFAULT = "proj_default"
KEYS_FILE = "keys.json"


async def first_start(here: Installation, directory: Path, clock: Clock) -> Path | None:
    """Make what a new installation lacks; the path of the file with the default project's keys,
    or None where nothing was lacking. Interrupted, it is completed by the next start."""
    catalog = here.catalog
    if not catalog.projects():
        try:
            await catalog.add_project(NewProject("Default", id=DEFAULT), clock())
        except Conflict:
            await catalog.refresh()  # another process starts at this moment
    project = catalog.find_project(DEFAULT)
    if project is None or catalog.keys(project.number):
        return None
    shown: dict[str, Any] = {"project_id": project.id}
    for kind in ("native", "voucherify", "loyaltylion"):
        made = await catalog.add_key(project.number, kind, (), "made at the first start", clock())
        shown |= made if kind == "native" else {kind: made}
    text = msgspec.json.format(msgspec.json.encode(shown)).decode() + "\n"
    return _written(directory, text)


def _written(directory: Path, text: str) -> Path:
    path = directory.expanduser().resolve() / KEYS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, text)
    return path
