"""What follows from an answer, row by row and without any I/O; docs/delivery.md prints the same."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.outcome_table import (
    ANSWERS,
    ENDPOINT_STATES,
    EVENT_STATES,
    FIRST,
    LAST,
    NOW,
    PAGE,
    POLICY,
    SECTIONS,
    WELL,
    endpoint_words,
    event_words,
    follow_up,
    printed,
    reply,
)
from tierline.delivery.outcome import ORDINARY, Defer, Park, Rest, Retry, SetHealth
from tierline.transport import HttpReply

FAILURES = [
    answer for words, answer in ANSWERS.items() if words not in ("2xx", *list(ANSWERS)[1:2])
]


def test_the_page_is_printed_from_the_code() -> None:
    """The tables of docs/delivery.md are what `decide` answers today."""
    page = PAGE.read_text()

    assert all(f"<!-- {name}: printed from the code -->" in page for name in SECTIONS)
    assert printed(page) == page, "run: python -m tests.outcome_table"


@pytest.mark.parametrize("state", EVENT_STATES.values(), ids=EVENT_STATES)
def test_what_is_delivered_or_stopped_is_settled_in_every_state(state: tuple) -> None:  # type: ignore[type-arg]
    """Whatever the schedule says."""
    delivered, stopped = list(ANSWERS.values())[:2]

    assert "settle" == event_words(follow_up(delivered, *state))
    assert "settle" == event_words(follow_up(stopped, *state))


@pytest.mark.parametrize("answer", FAILURES)
def test_a_failure_with_steps_left_is_retried(answer: HttpReply) -> None:
    """A minute later, as the schedule says; a receiver may ask for more, not for less."""
    later = follow_up(answer, *EVENT_STATES["steps left"])

    assert Retry(NOW + 60_000, NOW) == later.event


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("used up, `block`", "park"),
        ("used up, `skip`", "give up"),
        ("used up, `supersede`", "supersede"),
        ("used up, paused", "wait for the resume"),
    ],
)
def test_a_used_up_schedule_leaves_it_to_the_policy(state: str, words: str) -> None:
    """An endpoint that is paused uses nobody's schedule up."""
    assert words == event_words(follow_up(ANSWERS["3xx, other 4xx"], *EVENT_STATES[state]))


@pytest.mark.parametrize(
    ("newer", "park"), [("none", Park(NOW)), ("log", Park(NOW, supersede=True))]
)
def test_superseding_parks_where_no_newer_event_is_at_hand(newer: str, park: Park) -> None:
    """Until the log was read for one, or for good."""
    attempt = replace(FIRST, number=2, newer=newer)
    policy = replace(POLICY, parked="supersede")

    assert park == follow_up(reply(500), attempt, WELL, policy).event


def test_a_probe_that_meets_trouble_costs_no_attempt() -> None:
    """A plain refusal of the message does: somebody is at home."""
    trouble = follow_up(reply(503), *EVENT_STATES["a probe"])
    refused = follow_up(reply(404), *EVENT_STATES["a probe"])

    assert Defer(NOW + POLICY.probe_again_ms) == trouble.event
    assert "probe_failed" == trouble.word
    assert isinstance(refused.event, Retry)
    assert "close breaker" in endpoint_words(refused)


def test_nearly_every_answer_is_one_value_that_was_made_before() -> None:
    """A success of an endpoint that is well."""
    assert follow_up(reply(204), FIRST, WELL, POLICY) is ORDINARY


@pytest.mark.parametrize(
    ("state", "event"),
    [
        ("well", None),
        ("failing for long", "endpoint.failing"),
        ("for longer", "endpoint.paused"),
        ("paused for failing", None),
    ],
)
def test_health_takes_one_step_per_failure(state: str, event: str | None) -> None:
    """Warned of, then paused, then probed."""
    step = follow_up(reply(500), FIRST, ENDPOINT_STATES[state], POLICY)
    [health] = [action for action in step.endpoint if isinstance(action, SetHealth)]

    assert event == health.event


def test_an_answer_to_the_probe_of_a_paused_endpoint_recovers_it() -> None:
    """The breaker closes, requests start slowly, parked lanes start anew."""
    step = follow_up(reply(200), FIRST, ENDPOINT_STATES["paused for failing"], POLICY)

    words = ["widen", "close breaker", "`endpoint.recovered`", "recover", "release"]
    assert words == [*endpoint_words(step)]


def test_what_was_released_before_its_time_uses_up_nothing_of_its_schedule() -> None:
    """It waits for what its schedule said, or longer if the receiver asks for that."""
    early = replace(LAST, planned_at=NOW + 9_000)
    [again, rested] = [
        follow_up(answer, early, WELL, POLICY).event
        for answer in (reply(500), reply(503, retry_after="30"))
    ]

    assert (Defer(NOW + 9_000), Defer(NOW + 30_000)) == (again, rested)


def test_a_pause_for_another_reason_recovers_nothing() -> None:
    """A paused endpoint whose probe says 410 stays paused, and waits for a hand."""
    step = follow_up(reply(410), FIRST, ENDPOINT_STATES["paused for failing"], POLICY)

    assert ["close breaker", "`endpoint.paused`"] == [*endpoint_words(step)]


@pytest.mark.parametrize(("seconds", "rest_s"), [(30, 30), (3_600, 60)])
def test_retry_after_rests_the_endpoint_for_a_minute_at_most(seconds: int, rest_s: int) -> None:
    """And its event for as long as it says."""
    step = follow_up(reply(429, retry_after=str(seconds)), FIRST, WELL, POLICY)

    assert [NOW + rest_s * 1000] == [a.until for a in step.endpoint if isinstance(a, Rest)]
    assert Retry(NOW + max(seconds, 60) * 1000, NOW) == step.event
