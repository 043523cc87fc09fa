"""`/v1/campaigns` and `/v1/loyalties`: programs, in Voucherify's words; and their tiers."""

from __future__ import annotations

import secrets
from typing import Any

from msgspec import Struct

from tierline.errors import Conflict, NotFound
from tierline.model import ids, validation
from tierline.rules.program import Program
from tierline.store.catalog.closures import StateChange
from tierline.store.catalog.programs import ProgramChanged, Put
from tierline.vendors.voucherify.api import campaign_settings, campaign_versions, lists, programs
from tierline.vendors.voucherify.api.answers import (
    AsyncActionName,
    CampaignObject,
    CampaignObjects,
    EmptyObject,
    TierObject,
    TierObjects,
)
from tierline.vendors.voucherify.api.campaign_settings import CampaignRequest, TierRequest
from tierline.web.routing import Call, Operation, Reply

CAMPAIGNS, LOYALTIES = "/v1/campaigns", "/v1/loyalties"
TIERS = f"{LOYALTIES}/{{campaign}}/tiers"
TIER = f"{TIERS}/{{tier}}"
Json = dict[str, Any]
MOMENT_MS = 5_000  # what is farther ahead was scheduled by somebody


class DeletionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`force`: said of other kinds of campaigns; a program ends all the same."""

    force: bool | None = None


class CampaignsQuery(lists.PageQuery, frozen=True, forbid_unknown_fields=True):
    """There are loyalty programs only; a list of another type is empty."""

    campaign_type: str | None = None


# Campaigns --------------------------------------------------------------------------------------


async def post_campaign(call: Call, body: CampaignRequest) -> Json:
    """The names of campaigns are unique. The id follows from the name, so that two requests at
    once cannot make two campaigns of one name."""
    await call.parts.catalog.refresh()
    name = validation.name(body.name or "", "name")
    if await programs.find_or_none(call, name) is not None:
        raise _taken(name)
    id_ = ids.derived("camp_", call.project.id, "campaign", name, size=12)
    if any(row.id == id_ for row in call.parts.catalog.programs(call.project.number, deleted=True)):
        id_ = "camp_" + secrets.token_hex(12)  # that campaign is called something else by now
    settings = campaign_settings.new_settings(body, id_)
    try:
        return await _answer(
            call, await campaign_versions.put(call, id_, settings, "next_assessment", 0)
        )
    except ProgramChanged:
        raise _taken(name) from None


async def list_campaigns(call: Call) -> Json:
    pages = lists.query(call, CampaignsQuery)
    campaigns = []
    if pages.campaign_type in (None, "LOYALTY_PROGRAM"):
        current = [programs.words(call, program) for _, program in await programs.programs(call)]
        campaigns = [campaign_settings.campaign_item(words) for words in current]
    return lists.page(campaigns, pages, "campaigns")


async def get_campaign(call: Call) -> Json:
    _, program = await programs.find(call, call.param("campaign"))
    return _current(call, program)


async def put_campaign(call: Call, body: CampaignRequest) -> Json:
    program = await campaign_versions.newest(call)
    before = campaign_versions.settings(call, program)
    settings = campaign_settings.changed_settings(before, body)
    if settings["name"] != before["name"]:
        other = await programs.find_or_none(call, validation.name(settings["name"], "name"))
        if other is not None and other[1].id != program.id:
            raise _taken(settings["name"])
    on_change = campaign_settings.on_recalculation(body)
    if settings == before and on_change == "next_assessment":
        return campaign_settings.campaign_answer(
            programs.words(call, program, len(program.versions))
        )
    put = await campaign_versions.put(call, program.id, settings, on_change, len(program.versions))
    return await _answer(call, put)


async def enable_campaign(call: Call) -> Json:
    return await _activate(call, active=True)


async def disable_campaign(call: Call) -> Json:
    return await _activate(call, active=False)


async def _activate(call: Call, *, active: bool) -> Json:
    """Rules give points again, or no more; what members have stays."""
    program = await campaign_versions.newest(call)
    settings = campaign_versions.settings(call, program)
    if settings["active"] is not active:
        changed = {**settings, "active": active}
        based_on = len(program.versions)
        await campaign_versions.put(call, program.id, changed, "next_assessment", based_on)
    return {}


async def delete_campaign(call: Call) -> Reply:
    """Ends the program: it is not found here any more, and takes nothing new. Members and their
    history stay where the native API shows them."""
    _, program = await programs.find(call, call.param("campaign"))
    campaign = programs.campaign_of(call, program)["id"]
    state = StateChange(call.project.number, "ended", program.id, call.now)
    await call.parts.catalog.change_state(state)
    action = ids.derived("aa_", call.project.id, campaign, str(call.now), size=9)
    return Reply(202, {"async_action_id": action})


def _current(call: Call, program: Program) -> Json:
    return campaign_settings.campaign_answer(programs.words(call, program))


async def _answer(call: Call, put: Put) -> Json:
    program = await call.parts.catalog.program_numbered(put.program, put.version)
    return campaign_settings.campaign_answer(programs.words(call, program, put.version))


def _taken(name: str) -> Conflict:
    return Conflict(path="name", reason=f"Duplicated campaign exists with name {name}.")


# Tiers ------------------------------------------------------------------------------------------


async def post_tiers(call: Call, body: list[TierRequest]) -> list[Json]:
    """Adds tiers; the answer is a bare array, in the order of the request."""
    program = await campaign_versions.newest(call)
    if not body:
        raise validation.invalid("tiers", "expected at least one tier")
    added = [campaign_settings.tier_settings(tier) for tier in body]
    settings = campaign_versions.settings(call, program)
    settings["loyalty_tiers"] = [*settings["loyalty_tiers"], *added]
    tiers = await _put_tiers(call, program, settings)
    return campaign_settings.named(tiers, [tier["name"] for tier in added])


async def list_tiers(call: Call) -> Json:
    pages = lists.query(call, lists.PageQuery)
    _, program = await programs.find(call, call.param("campaign"))
    tiers = campaign_settings.tier_answers(programs.words(call, program))
    if "order" not in call.request.query_params:
        first = (pages.page - 1) * pages.limit
        return lists.envelope(tiers[first : first + pages.limit], total=len(tiers))
    return lists.page(tiers, pages)


async def get_tier(call: Call) -> Json:
    _, program = await programs.find(call, call.param("campaign"))
    return _tier(campaign_settings.tier_answers(programs.words(call, program)), call)


async def put_tier(call: Call, body: TierRequest) -> Json:
    """Changes a tier: an extension, for Voucherify has it on the dashboard alone."""
    program = await campaign_versions.newest(call)
    settings = campaign_versions.settings(call, program)
    before = _tier(settings["loyalty_tiers"], call)
    fields = campaign_settings.tier_settings(body)
    if "points" in fields or "config" in fields:
        before = {key: before[key] for key in before if key not in ("points", "config")}
    before = {key: before[key] for key in before if key != "updated_at"}
    changed = {**before, **fields}
    settings["loyalty_tiers"] = [
        changed if tier["id"] == before["id"] else tier for tier in settings["loyalty_tiers"]
    ]
    return _tier(await _put_tiers(call, program, settings), call)


async def delete_tier(call: Call) -> None:
    """Takes a tier away, an extension too: its members lose it as the rules say."""
    program = await campaign_versions.newest(call)
    settings = campaign_versions.settings(call, program)
    gone = _tier(settings["loyalty_tiers"], call)
    settings["loyalty_tiers"] = [tier for tier in settings["loyalty_tiers"] if tier != gone]
    await _put_tiers(call, program, settings)


async def _put_tiers(call: Call, program: Program, settings: Json) -> list[Json]:
    on_change = campaign_settings.on_tiers(program.versions[-1])
    put = await campaign_versions.put(call, program.id, settings, on_change, len(program.versions))
    changed = await call.parts.catalog.program_numbered(put.program, put.version)
    return campaign_settings.tier_answers(programs.words(call, changed, put.version))


def _tier(tiers: list[Json], call: Call) -> Json:
    id_ = call.param("tier")
    for tier in tiers:
        if tier["id"] == id_:
            return tier
    raise NotFound(what="loyalty_tier", name=id_, path="tier")


def _campaign_operations(path: str) -> tuple[Operation, ...]:
    one = f"{path}/{{campaign}}"
    read, write = ("read_programs",), ("read_programs", "write_programs")
    return (
        Operation("POST", path, post_campaign, "Makes a loyalty program.", scopes=write,
                  body=CampaignRequest, answer=CampaignObject),
        Operation("GET", path, list_campaigns, "All programs of the project.", scopes=read,
                  query=CampaignsQuery, answer=CampaignObjects),
        Operation("GET", one, get_campaign, "A program, by id or name.", scopes=read,
                  answer=CampaignObject),
        Operation("DELETE", one, delete_campaign, "Ends a program.",
                  answer=AsyncActionName, scopes=("write_programs",),
                  query=DeletionQuery, status=202),
        Operation("PUT", one, put_campaign, "Changes a program: a new version of its rules.",
                  scopes=write, body=CampaignRequest, answer=CampaignObject),
    )  # fmt: skip


OPERATIONS = (
    *_campaign_operations(CAMPAIGNS),
    *_campaign_operations(LOYALTIES),
    Operation(
        "POST", f"{CAMPAIGNS}/{{campaign}}/enable", enable_campaign, "Lets a program give points.",
        answer=EmptyObject, scopes=("read_programs", "write_programs"),
    ),
    Operation(
        "POST", f"{CAMPAIGNS}/{{campaign}}/disable", disable_campaign,
        "Lets a program give points no more.",
        answer=EmptyObject, scopes=("read_programs", "write_programs"),
    ),
    Operation(
        "POST", TIERS, post_tiers, "Adds tiers to a program.",
        scopes=("read_programs", "write_programs"), body=list[TierRequest],
        answer=list[TierObject],
    ),
    Operation("GET", TIERS, list_tiers, "A program's tiers.", scopes=("read_programs",),
              query=lists.PageQuery, answer=TierObjects),
    Operation("GET", TIER, get_tier, "One tier.", scopes=("read_programs",),
              answer=TierObject),
    Operation(
        "PUT", TIER, put_tier, "Changes a tier.",
        scopes=("read_programs", "write_programs"), body=TierRequest,
        answer=TierObject,
    ),
    Operation(
        "DELETE", TIER, delete_tier, "Takes a tier away.",
        scopes=("read_programs", "write_programs"), status=204,
    ),
)  # fmt: skip
