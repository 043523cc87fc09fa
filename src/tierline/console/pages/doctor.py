"""What `tierline doctor` says, for who looks after deliveries; the overview has its warnings."""

from __future__ import annotations

from typing import Final

from tierline.console.diagnoses import examination, for_project
from tierline.console.site import ConsolePage, Content, PageView


async def show(view: PageView) -> Content:
    seen = await examination(view.call.parts)
    diagnoses = for_project(seen, view.call.parts, view.project)
    return {
        "diagnoses": diagnoses,
        "warnings": [diagnosis for diagnosis in diagnoses if not diagnosis.well],
        "seen_at": seen.at,
    }


PAGES: Final = (
    ConsolePage(
        "/doctor", "doctor.html", "The installation", show, section="overview",
        scopes=("manage_endpoints",),
    ),
)  # fmt: skip
