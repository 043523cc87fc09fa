"""What follows from an answer, as values. Pure: the endpoint worker applies them.

`read_answer` says what an answer means; `decide` says what follows from it for the event, for the
endpoint's pace, and for its health. `docs/delivery.md` prints the whole as a table.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from tierline.delivery.circuit_breaker import BreakerState
from tierline.delivery.lanes import Newer
from tierline.endpoints import health as healths
from tierline.endpoints.endpoint import Parked
from tierline.endpoints.health import Health, HealthStep, Tolerance
from tierline.endpoints.retry_schedule import next_attempt, retry_after
from tierline.model.schedule import Schedule
from tierline.transport import HttpReply

# A receiver's word about this delivery, in any answer that is not 2xx.
STOP_HEADER = "webhook-delivery"
_STOP = frozenset({"stop", "abort-message"})
_PAUSE = frozenset({"pause"})
_THROTTLE = frozenset({408, 425, 429, 502, 503, 504})

REST_S_MAX = 60  # an answer with Retry-After rests the endpoint for at most this
OUTAGE_MS = 60_000  # without a success, and with several failures: then the next success ends it
PROBE_AGAIN_MS = 60_000  # a failed probe's event waits, so that the next probe is another one

Meaning = Literal["delivered", "retry", "stopped", "gone", "pause", "refused"]
# What stands in the attempt log.
Word = Literal[
    "delivered", "retry", "stopped", "gone", "pause", "refused", "given_up", "parked", "superseded",
    "probe_failed",
]  # fmt: skip


class ReceiverAnswer(Struct, frozen=True):
    """What an answer means. `trouble`: the endpoint is overloaded or away, so it is sent less and
    the breaker counts it. A plain 4xx is about the message and says that somebody is at home."""

    meaning: Meaning
    trouble: bool = False
    retry_after_s: int | None = None


DELIVERED: Final = ReceiverAnswer("delivered")


def read_answer(reply: HttpReply, now: int) -> ReceiverAnswer:
    status = reply.status
    if status is None:
        return ReceiverAnswer("refused" if reply.fault == "refused" else "retry", trouble=True)
    if 200 <= status < 300:
        return DELIVERED
    word = reply.headers.get(STOP_HEADER, "").strip().lower()
    if word in _STOP:
        return ReceiverAnswer("stopped")
    if word in _PAUSE:
        return ReceiverAnswer("pause")
    if status == 410:
        return ReceiverAnswer("gone")
    trouble = status >= 500 or status in _THROTTLE
    return ReceiverAnswer("retry", trouble, retry_after(reply.headers, now))


# The state that an answer meets


class FailurePolicy(Struct, frozen=True):
    """What the endpoint's settings say of failures."""

    schedule: Schedule
    tolerance: Tolerance = Tolerance()
    parked: Parked = "block"
    probe_again_ms: int = PROBE_AGAIN_MS


class EndpointState(Struct, frozen=True):
    health: Health
    breaker: BreakerState


class Attempt(Struct, frozen=True):
    """Which attempt it was: 1, 2, 3 …, and when the first of them began."""

    number: int
    first_at: int
    probe: bool = False
    newer: Newer = "none"
    planned_at: int = 0  # its lane was released before this, which its schedule said; else 0


# What follows for the event


class Settle(Struct, frozen=True):
    """It is settled, for good."""


class Retry(Struct, frozen=True):
    """It waits in a lane and is tried again at `due_at`, or earlier when its lane is released. The
    attempt counts."""

    due_at: int
    first_at: int


class Defer(Struct, frozen=True):
    """It waits in a lane until `due_at`; the attempt does not count."""

    due_at: int


class Park(Struct, frozen=True):
    """Its lane waits for a resume, and operators are told. `supersede`: until the customer's newest
    event has been read from the log, and takes its place."""

    first_at: int
    supersede: bool = False


class GiveUp(Struct, frozen=True):
    """It is settled undelivered, and its lane goes on with the next."""

    first_at: int


class Supersede(Struct, frozen=True):
    """Its lane jumps to the customer's newest event."""

    first_at: int


EventAction = Settle | Retry | Defer | Park | GiveUp | Supersede


# What follows for the endpoint


class Widen(Struct, frozen=True):
    """The limit in flight may grow."""


class CountSuccess(Struct, frozen=True):
    """Somebody answered: the breaker counts a success."""


class CloseBreaker(Struct, frozen=True):
    """Somebody answered while the breaker was open: it closes, and requests start slowly."""


class SlowDown(Struct, frozen=True):
    """The limit in flight is halved, and the breaker counts a failure (of its probe)."""

    probe: bool


class Rest(Struct, frozen=True):
    """No request starts before this instant."""

    until: int


class SetHealth(Struct, frozen=True):
    """The endpoint's health; with `event` its state changed, and operators are told."""

    health: Health
    event: str | None = None


class Recover(Struct, frozen=True):
    """A pause is over: requests start slowly, and parked lanes start anew."""


class Release(Struct, frozen=True):
    """An outage is over: lanes that wait for their schedule are due at once."""


EndpointAction = (
    Widen | CountSuccess | CloseBreaker | SlowDown | Rest | SetHealth | Recover | Release
)


class FollowUp(Struct, frozen=True):
    """All that follows from one answer, in the order in which it is applied: first the endpoint's
    actions, then the event's."""

    word: Word
    event: EventAction
    endpoint: tuple[EndpointAction, ...] = ()


SETTLE: Final = Settle()
WIDEN: Final = Widen()
COUNT_SUCCESS: Final = CountSuccess()
CLOSE_BREAKER: Final = CloseBreaker()
RECOVER: Final = Recover()
RELEASE: Final = Release()
# Of nearly every answer; made once.
ORDINARY: Final = FollowUp("delivered", SETTLE, (WIDEN, COUNT_SUCCESS))


def is_ordinary(answer: ReceiverAnswer, health: Health, breaker: BreakerState) -> bool:
    """Whether `ORDINARY` follows, whatever the attempt was: so with nearly every answer."""
    return (
        answer is DELIVERED
        and breaker == "closed"
        and health.state == "healthy"
        and not health.failures
    )


def decide(
    answer: ReceiverAnswer,
    attempt: Attempt,
    state: EndpointState,
    policy: FailurePolicy,
    now: int,
    spread: float,
) -> FollowUp:
    """`spread` in [0, 1) says where in its jitter a retry falls."""
    health, breaker = state.health, state.breaker
    answered = COUNT_SUCCESS if breaker == "closed" else CLOSE_BREAKER
    if answer.meaning == "delivered":
        if is_ordinary(answer, health, breaker):
            return ORDINARY
        healthy = _set(health, healths.succeeded(health, now))
        over = (RELEASE,) if breaker != "closed" or _was_away(health, now) else ()
        return FollowUp("delivered", SETTLE, (WIDEN, answered, *healthy, *over))
    if answer.meaning == "stopped":
        return FollowUp("stopped", SETTLE, (answered,))
    pace = _trouble(answer, attempt, now) if answer.trouble else (answered,)
    step = _failed(answer, health, policy, now)
    endpoint: tuple[EndpointAction, ...] = (*pace, *_set(health, step))
    if attempt.probe and answer.trouble:
        return FollowUp("probe_failed", Defer(now + policy.probe_again_ms), endpoint)
    if attempt.planned_at > now:
        # It was tried before its time: that uses nothing of its schedule up.
        wait_ms = (answer.retry_after_s or 0) * 1000
        return FollowUp(answer.meaning, Defer(max(attempt.planned_at, now + wait_ms)), endpoint)
    due_at = next_attempt(
        policy.schedule,
        attempt=attempt.number,
        first_at=attempt.first_at,
        now=now,
        retry_after_s=answer.retry_after_s,
        spread=spread,
    )
    if due_at is None and step.health.state == "paused":
        due_at = now  # it waits for the resume, whatever its schedule says
    if due_at is not None:
        return FollowUp(answer.meaning, Retry(due_at, attempt.first_at), endpoint)
    word, action = _exhausted(attempt, policy)
    return FollowUp(word, action, endpoint)


def _exhausted(attempt: Attempt, policy: FailurePolicy) -> tuple[Word, EventAction]:
    """The schedule is used up: the endpoint's policy says what becomes of the event."""
    first_at = attempt.first_at
    if policy.parked == "skip":
        return "given_up", GiveUp(first_at)
    if policy.parked == "supersede" and attempt.newer == "memory":
        return "superseded", Supersede(first_at)
    supersede = policy.parked == "supersede" and attempt.newer == "log"
    return "parked", Park(first_at, supersede=supersede)


def _was_away(health: Health, now: int) -> bool:
    """Whether nothing was delivered for a while, and more than one attempt failed."""
    if health.state != "healthy":
        return True
    since = health.failing_since
    return since is not None and health.failures > 1 and now - since >= OUTAGE_MS


def _trouble(answer: ReceiverAnswer, attempt: Attempt, now: int) -> tuple[EndpointAction, ...]:
    slow_down = SlowDown(probe=attempt.probe)
    if answer.retry_after_s is None:
        return (slow_down,)
    return slow_down, Rest(now + min(answer.retry_after_s, REST_S_MAX) * 1000)


def _failed(answer: ReceiverAnswer, health: Health, policy: FailurePolicy, now: int) -> HealthStep:
    if answer.meaning == "gone":
        return healths.paused(health, "gone", now)
    if answer.meaning == "pause":
        return healths.paused(health, "asked", now)
    return healths.failed(health, policy.tolerance, now)


def _set(health: Health, step: HealthStep) -> tuple[EndpointAction, ...]:
    if step.health is health and step.event is None:
        return ()
    changed = SetHealth(step.health, step.event)
    over = health.state == "paused" and step.health.state != "paused"
    return (changed, RECOVER) if over else (changed,)
