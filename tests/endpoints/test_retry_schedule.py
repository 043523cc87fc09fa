"""Retry schedules: tables, Retry-After within bounds, what an answer means."""

from __future__ import annotations

import msgspec
import pytest

from tierline.delivery.outcome import read_answer
from tierline.endpoints.retry_schedule import PRESETS, next_attempt, retry_after
from tierline.model.schedule import Schedule
from tierline.transport import HttpReply, Timings

NOW = 1_700_000_000_000
EXACT = {name: msgspec.structs.replace(s, jitter=0.0) for name, s in PRESETS.items()}


def due(
    schedule: Schedule, attempt: int, *, now: int = NOW, retry_after_s: int | None = None
) -> int | None:
    """Seconds from the first attempt (at NOW) to the next one."""
    at = next_attempt(
        schedule, attempt=attempt, first_at=NOW, now=now, retry_after_s=retry_after_s, spread=0.0
    )
    return None if at is None else (at - NOW) // 1000


def reply(status: int | None, **headers: str) -> HttpReply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    fault = None if status else "connect"
    return HttpReply(status, names, b"", fault, None, None, False, Timings())  # type: ignore[arg-type]


def test_voucherify_counts_from_the_first_attempt() -> None:
    """The twelve documented steps, whatever each attempt itself took."""
    steps, now = [], NOW
    for attempt in range(1, 13):
        results = due(EXACT["voucherify"], attempt, now=now)
        assert results is not None
        steps.append(results)
        now = NOW + results * 1000 + 5_000  # every attempt takes five seconds to fail

    assert [60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 30720, 61440, 86400] == steps
    assert due(EXACT["voucherify"], 13) is None


def test_standard_counts_from_the_attempt_before() -> None:
    """The specification's table adds up to about 75 hours."""
    assert 5 == due(EXACT["standard"], 1)
    assert 100 + 300 == due(EXACT["standard"], 2, now=NOW + 100_000)
    assert 75 * 3600 + 35 * 60 + 5 == sum(PRESETS["standard"].schedule)


def test_loyaltylion_makes_thirty_attempts() -> None:
    """As many as the vendor makes before it deletes a subscription."""
    assert 29 == len(PRESETS["loyaltylion"].schedule)
    assert due(EXACT["loyaltylion"], 29) is not None
    assert due(EXACT["loyaltylion"], 30) is None


def test_jitter_adds_at_most_its_share() -> None:
    """A crowd that failed together does not come back together."""
    schedule = Schedule((100,), jitter=0.2)
    at = [
        next_attempt(schedule, attempt=1, first_at=NOW, now=NOW, retry_after_s=None, spread=s)
        for s in (0.0, 0.5, 0.999)
    ]

    assert [NOW + 100_000, NOW + 110_000, NOW + 119_980] == at


@pytest.mark.parametrize(
    ("step", "retry_after_s", "waited"),
    [(60, 10, 60), (60, 90, 90), (60, 3_000, 3_000), (60, 90_000, 3_600), (7_200, 90_000, 14_400)],
)
def test_retry_after_is_honoured_within_bounds(step: int, retry_after_s: int, waited: int) -> None:
    """Never earlier than the schedule; at most an hour, or twice the step where that is more."""
    assert waited == due(Schedule((step,), jitter=0.0), 1, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("0", 0), ("-5", None), ("soon", None), ("", None), ("1e3", None),
     ("Tue, 14 Nov 2023 22:15:20 GMT", 120), ("Tue, 14 Nov 2023 22:13:00 GMT", 0),
     ("Tue, 14 Nov 2023 22:15:20 +99999999999999999999", None)],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(text: str, seconds: int | None) -> None:
    """Anything else is as if it were not there."""
    assert seconds == retry_after({"retry-after": text}, NOW)


@pytest.mark.parametrize(
    ("answer", "outcome", "trouble"),
    [
        (reply(200), "delivered", False),
        (reply(204), "delivered", False),
        (reply(301), "retry", False),
        (reply(307), "retry", False),
        (reply(400), "retry", False),
        (reply(401), "retry", False),
        (reply(408), "retry", True),
        (reply(410), "gone", False),
        (reply(425), "retry", True),
        (reply(429), "retry", True),
        (reply(500), "retry", True),
        (reply(503), "retry", True),
        (reply(None), "retry", True),
        (reply(500, webhook_delivery="stop"), "stopped", False),
        (reply(400, webhook_delivery="Abort-Message"), "stopped", False),
        (reply(503, webhook_delivery="pause"), "pause", False),
        (reply(200, webhook_delivery="stop"), "delivered", False),
    ],
)
def test_what_an_answer_means(answer: HttpReply, outcome: str, trouble: bool) -> None:
    """2xx is delivered, redirects are failures, the receiver's word counts."""
    meaning = read_answer(answer, NOW)

    assert (outcome, trouble) == (meaning.meaning, meaning.trouble)
