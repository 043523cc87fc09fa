"""Lists of what there is none of here: rewards, and actions that take time.

Rewards are out of scope, and every call is answered when it is done. Clients that look for either
find an empty list rather than an error; a single one is not found.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from tierline.errors import NotFound
from tierline.vendors.voucherify.api import lists, programs
from tierline.vendors.voucherify.api.answers import Count
from tierline.vendors.voucherify.api.members import MEMBERS, member_of
from tierline.web.routing import Call, Operation

CAMPAIGN: Final = "/v1/loyalties/{campaign}"
ASSIGNMENTS: Final = (f"{CAMPAIGN}/rewards", f"{CAMPAIGN}/reward-assignments")
MEMBER_REWARDS: Final = f"{MEMBERS[1]}/rewards"
TIER_REWARDS: Final = f"{CAMPAIGN}/tiers/{{tier}}/rewards"
ACTIONS: Final = "/v1/async-actions"
Json = dict[str, Any]
Limit = Annotated[int, Meta(ge=1, le=100)]
Page = Annotated[int, Meta(ge=1, le=1000)]


class RewardsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of rewards."""

    limit: Limit = 10
    page: Page = 1
    assignment_id: str | None = None
    affordable_only: bool = False


class ActionsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The newest actions, up to an instant."""

    limit: Limit = 10
    end_date: str | None = None


class NoObjects(Struct, frozen=True):
    """A list of what does not exist here, such as rewards."""

    object: Literal["list"]
    data_ref: Literal["data"]
    data: list[Json]
    total: Count


class AsyncActions(Struct, frozen=True):
    """There are none."""

    object: Literal["list"]
    data_ref: Literal["async_actions"]
    async_actions: list[Json]
    has_more: bool


async def list_assignments(call: Call) -> Json:
    lists.query(call, RewardsQuery)
    await programs.find(call, call.param("campaign"))
    return lists.envelope([])


async def get_assignment(call: Call) -> Json:
    await programs.find(call, call.param("campaign"))
    raise NotFound(what="reward_assignment", name=call.param("assignment"), path="assignment")


async def list_tier_rewards(call: Call) -> Json:
    _, program = await programs.find(call, call.param("campaign"))
    tier = call.param("tier")
    if tier not in programs.words(call, program).tiers:
        raise NotFound(what="loyalty_tier", name=tier, path="tier")
    return lists.envelope([])


async def list_member_rewards(call: Call) -> Json:
    lists.query(call, RewardsQuery)
    await member_of(call)
    return lists.envelope([])


async def list_actions(call: Call) -> Json:
    lists.query(call, ActionsQuery)
    return {"object": "list", "data_ref": "async_actions", "async_actions": [], "has_more": False}


async def get_action(call: Call) -> Json:
    raise NotFound(what="async_action", name=call.param("action"), path="action")


_READ = ("read_programs",)
OPERATIONS = (
    *(Operation("GET", path, list_assignments, "Rewards of a program: none.",
                answer=NoObjects, scopes=_READ,
                query=RewardsQuery) for path in ASSIGNMENTS),
    *(Operation("GET", f"{path}/{{assignment}}", get_assignment, "A reward: there is none.",
                scopes=_READ) for path in ASSIGNMENTS),
    Operation("GET", f"{ASSIGNMENTS[1]}/{{assignment}}/reward", get_assignment,
              "A reward: there is none.", scopes=_READ),
    Operation("GET", TIER_REWARDS, list_tier_rewards, "Rewards of a tier: none.",
              answer=NoObjects, scopes=_READ),
    Operation("GET", MEMBER_REWARDS, list_member_rewards, "Rewards of a member: none.",
              answer=NoObjects, scopes=("read_customers",), query=RewardsQuery),
    Operation("GET", ACTIONS, list_actions, "What takes time: nothing.",
              answer=AsyncActions, scopes=_READ,
              query=ActionsQuery),
    Operation("GET", f"{ACTIONS}/{{action}}", get_action, "An action: there is none.",
              scopes=_READ),
)  # fmt: skip
