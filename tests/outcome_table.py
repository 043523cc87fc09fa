"""Prints what follows from an answer: `python -m tests.outcome_table` writes docs/delivery.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from tierline.delivery import outcome
from tierline.delivery.circuit_breaker import BreakerState
from tierline.delivery.outcome import Attempt, EndpointState, FailurePolicy, FollowUp
from tierline.endpoints.health import HEALTHY, Health, Tolerance
from tierline.model.schedule import Schedule
from tierline.transport import HttpReply, Timings

PAGE = Path(__file__).parent.parent / "docs" / "delivery.md"
NOW = 1_700_000_000_000
HOUR_MS = 3_600_000


def reply(status: int | None, **headers: str) -> HttpReply:
    """A receiver's answer; None: there is none."""
    fault = None if status else "connect"
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, fields, b"", fault, None, None, False, Timings())  # type: ignore[arg-type]


ANSWERS = {
    "2xx": reply(200),
    "`webhook-delivery: stop`, not 2xx": reply(500, webhook_delivery="stop"),
    "`webhook-delivery: pause`, not 2xx": reply(400, webhook_delivery="pause"),
    "410": reply(410),
    "3xx, other 4xx": reply(404),
    "408, 425, 429, 5xx, none": reply(503),
    "429 or 503 with `Retry-After`": reply(429, retry_after="30"),
}
POLICY = FailurePolicy(Schedule((60,), jitter=0.0), Tolerance(3600, 2, 7200, 3))
FIRST = Attempt(1, NOW)
LAST = Attempt(2, NOW - HOUR_MS)
PAUSED = Health("paused", NOW - HOUR_MS, "failures", NOW - 3 * HOUR_MS, 9, NOW)
WELL = EndpointState(HEALTHY, "closed")

# What is left of the schedule, and what the endpoint's policy says once it is used up.
EVENT_STATES: dict[str, tuple[Attempt, EndpointState, FailurePolicy]] = {
    "steps left": (FIRST, WELL, POLICY),
    "a probe": (replace(FIRST, probe=True), EndpointState(HEALTHY, "probing"), POLICY),
    "used up, `block`": (LAST, WELL, POLICY),
    "used up, `skip`": (LAST, WELL, replace(POLICY, parked="skip")),
    "used up, `supersede`": (
        replace(LAST, newer="memory"), WELL, replace(POLICY, parked="supersede"),
    ),
    "used up, paused": (LAST, EndpointState(PAUSED, "closed"), POLICY),
}  # fmt: skip


def _state(health: Health, breaker: BreakerState = "closed") -> EndpointState:
    return EndpointState(health, breaker)


ENDPOINT_STATES = {
    "well": WELL,
    "breaker open": _state(HEALTHY, "probing"),
    "failing for long": _state(Health(failing_since=NOW - HOUR_MS, failures=1)),
    "for longer": _state(Health("failing", NOW, None, NOW - 2 * HOUR_MS, 2)),
    "paused for failing": _state(PAUSED, "probing"),
}


def follow_up(
    answer: HttpReply, attempt: Attempt, state: EndpointState, policy: FailurePolicy
) -> FollowUp:
    return outcome.decide(outcome.read_answer(answer, NOW), attempt, state, policy, NOW, 0.0)


def event_words(step: FollowUp) -> str:
    match step.event:
        case outcome.Settle():
            return "settle"
        case outcome.Retry(due_at):
            return "retry" if due_at > NOW else "wait for the resume"
        case outcome.Defer():
            return "defer"
        case outcome.Park():
            return "park"
        case outcome.GiveUp():
            return "give up"
        case outcome.Supersede():
            return "supersede"


def endpoint_words(step: FollowUp) -> Iterator[str]:
    for action in step.endpoint:
        match action:
            case outcome.Widen():
                yield "widen"
            case outcome.CountSuccess():
                pass  # it goes without saying
            case outcome.CloseBreaker():
                yield "close breaker"
            case outcome.SlowDown():
                yield "slow down"
            case outcome.Rest():
                yield "rest"
            case outcome.SetHealth(_, event):
                if event is not None:
                    yield f"`{event}`"
            case outcome.Recover():
                yield "recover"
            case outcome.Release():
                yield "release"


def events() -> Iterator[str]:
    yield "| answer | " + " | ".join(EVENT_STATES) + " |"
    yield "|---|" + "---|" * len(EVENT_STATES)
    for words, answer in ANSWERS.items():
        cells = [event_words(follow_up(answer, *state)) for state in EVENT_STATES.values()]
        yield f"| {words} | {' | '.join(cells)} |"


def endpoints() -> Iterator[str]:
    yield "| answer | " + " | ".join(ENDPOINT_STATES) + " |"
    yield "|---|" + "---|" * len(ENDPOINT_STATES)
    for words, answer in ANSWERS.items():
        cells = []
        for state in ENDPOINT_STATES.values():
            attempt = replace(FIRST, probe=state.breaker != "closed")
            cells.append(", ".join(endpoint_words(follow_up(answer, attempt, state, POLICY))))
        yield f"| {words} | {' | '.join(cell or '–' for cell in cells)} |"


SECTIONS = {"what follows for the event": events, "what follows for the endpoint": endpoints}


def printed(page: str) -> str:
    """Returns the page with its tables as the code has them."""
    for name, lines in SECTIONS.items():
        start = f"<!-- {name}: printed from the code -->"
        section = re.compile(re.escape(start) + r"\n.*?\n<!-- end -->", re.DOTALL)
        table = "\n".join(lines())
        page = section.sub(lambda _, s=start, t=table: f"{s}\n{t}\n<!-- end -->", page)  # type: ignore[misc]
    return page


if __name__ == "__main__":
    PAGE.write_text(printed(PAGE.read_text()))
