"""An extension: what a change of a campaign would do to its members, before it is made."""

from __future__ import annotations

from typing import Any, Final

from tierline.proposals import PreviewBody
from tierline.vendors.voucherify.api import campaign_settings, campaign_versions
from tierline.vendors.voucherify.api.campaign_settings import CampaignRequest
from tierline.vendors.voucherify.objects import NAME
from tierline.web.explanation import PreviewAnswer
from tierline.web.routes.preview import preview_of
from tierline.web.routing import Call, Operation

PREVIEWS: Final = ("/v1/campaigns/{campaign}/preview", "/v1/loyalties/{campaign}/preview")


async def post_preview(call: Call, body: CampaignRequest) -> Any:
    """The body of a change, `options.recalculate_tiers` included; the answer is the native
    preview's. Nothing is changed."""
    program = await campaign_versions.newest(call)
    before = campaign_versions.settings(call, program)
    settings = campaign_settings.changed_settings(before, body)
    on_change = campaign_settings.on_recalculation(body)
    changed = PreviewBody(format=NAME, settings=settings, on_change=on_change)
    return await preview_of(call, program.id, changed)


OPERATIONS = tuple(
    Operation(
        "POST", path, post_preview, "What a change would do to the members.",
        scopes=("read_programs", "read_customers"), body=CampaignRequest, answer=PreviewAnswer,
    )
    for path in PREVIEWS
)  # fmt: skip
