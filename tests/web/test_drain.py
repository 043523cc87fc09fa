"""A whole process that drains: it answers requests, and says no to who balances load."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.web.conftest import Answered, Api
from tierline.clock import wall
from tierline.delivery.membership import ask_to_drain
from tierline.store import diagnostics


async def drain(api: Api, *, on: bool = True) -> None:
    async with api.process.installation.database.errand() as connection:
        await ask_to_drain(connection, [api.process.presence.id], drain=on)


async def doctor(api: Api) -> dict[str, str]:
    here = api.process.installation
    findings = await diagnostics.findings(here.database, here.catalog, wall())
    return {each.about: each.text for each in findings}


async def ready(api: Api, status: int) -> Answered:
    """As soon as it is answered so."""
    while (answer := await api.get("/readyz", key="")).status != status:
        await asyncio.sleep(0.01)
    return answer


async def until_said(api: Api, part: str) -> str:
    """What the doctor says of the process, as soon as it has this part."""
    about = f"process {api.process.presence.id}"
    while part not in (text := (await doctor(api)).get(about, "")):
        await asyncio.sleep(0.01)
    return text


async def test_a_process_that_drains_answers_and_takes_its_work_up_again(club: Api) -> None:
    endpoint: dict[str, Any] = {"url": "http://127.0.0.1:9/hooks"}
    assert (await club.post("/api/endpoints", endpoint)).status == 201
    before = await until_said(club, "endpoints: 1; sweeps shards 0 and 1")
    await drain(club)
    no = await ready(club, 503)
    drained = await until_said(club, "drained")
    answered = await club.earn("anna", 100)
    text = (await club.get("/metrics", key="")).body.decode()
    await drain(club, on=False)
    yes = await ready(club, 200)
    after = await until_said(club, "sweeps shards 0 and 1")

    assert "Tierline" in before
    assert before.endswith("; endpoints: 1; sweeps shards 0 and 1")
    assert (no.json["status"], no.json["missing"]) == ("not_ready", ["draining"])
    assert "tierline drain --undo" in no.json["details"][0]
    assert " api since " in drained
    assert drained.endswith("; endpoints: 0; sweeps nothing; drained")
    assert answered.status == 200
    for name, figure in (("draining", 1), ("endpoints_owned", 0), ("shards_swept", 0)):
        assert f"tierline_{name} {figure}.0" in text
    assert yes.json["status"] == "ready"
    assert "drain" not in after


async def test_what_nobody_does_any_more_is_said(club: Api) -> None:
    """The only process drains: what time brings waits."""
    await drain(club)
    await until_said(club, "drained")
    sweepers = (await doctor(club))["sweepers"]
    await drain(club, on=False)
    await ready(club, 200)

    assert "0 alive: no sweeper is alive" in sweepers
