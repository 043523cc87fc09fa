"""The live feed as lines of the overview, which the browser takes in as they come (SSE)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from tierline.console.live import feed_of
from tierline.console.site import HEADERS, ConsolePage, PageView, fragment

EVENT_STREAM: Final = "text/event-stream"


async def show(view: PageView) -> Response:
    headers = {**HEADERS, "x-accel-buffering": "no"}
    return StreamingResponse(_lines(view), headers=headers, media_type=EVENT_STREAM)


async def _lines(view: PageView) -> AsyncIterator[bytes]:
    yield b": connected\n\n"
    async for event in feed_of(view.call.parts, view.project.number).events():
        if event is None:
            yield b": quiet\n\n"
            continue
        text = fragment("live_line.html", view=view, event=event)
        lines = "".join(f"data: {line}\n" for line in text.splitlines())
        yield f"{lines}\n".encode()


PAGES: Final = (
    ConsolePage(
        "/live", "live_line.html", "Live", show, section="overview",
        scopes=("read_customers", "read_programs"),
    ),
)  # fmt: skip
