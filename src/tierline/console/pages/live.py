"""The live feed as lines of the overview, which the browser takes in as they come (SSE)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from tierline.console.live import LiveBatch, feed_of
from tierline.console.site import HEADERS, ConsolePage, PageView, fragment

EVENT_STREAM: Final = "text/event-stream"


async def show(view: PageView) -> Response:
    headers = {**HEADERS, "x-accel-buffering": "no"}
    return StreamingResponse(_lines(view), headers=headers, media_type=EVENT_STREAM)


async def _lines(view: PageView) -> AsyncIterator[bytes]:
    yield b": connected\n\n"
    async for batch in feed_of(view.call.parts, view.project.number).batches():
        if batch is None:
            yield b": quiet\n\n"
            continue
        if batch.text is None:  # the same for all who look
            batch.text = _message(view, batch)
        yield batch.text


def _message(view: PageView, batch: LiveBatch) -> bytes:
    """The newest one first, as the list has them."""
    lines = [
        f"data: {line}\n"
        for event in reversed(batch.events)
        for line in fragment("live_line.html", view=view, event=event).splitlines()
    ]
    return f"{''.join(lines)}\n".encode()


PAGES: Final = (
    ConsolePage(
        "/live", "live_line.html", "Live", show, section="overview",
        scopes=("read_customers", "read_programs"), here=True,
    ),
)  # fmt: skip
