"""Limits of calls by a vendor's routes: how many are left, and when it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from tierline.model.tenant import Project
from tierline.web.call_rate import RATE_MAX, CallRate, TooManyCalls, limit_of

MINUTE_MS = 60_000


def project(**presentations: Any) -> Project:
    return Project("p", "Shop", 1, presentations=presentations)


def test_calls_are_counted_by_project_and_period() -> None:
    rate, shop = CallRate("minute", MINUTE_MS), project()
    rate.count(shop, 2, 0)
    rate.count(shop, 2, 59_999)

    assert (rate.remaining(shop, 2, 59_999), rate.remaining(shop, 2, MINUTE_MS)) == (0, 2)
    with pytest.raises(TooManyCalls) as refused:
        rate.count(shop, 2, 59_999)
    assert refused.value.facts["retry_after"] == 1
    rate.count(shop, 2, MINUTE_MS)
    assert rate.remaining(shop, 2, MINUTE_MS) == 1


@pytest.mark.parametrize("now", [0, 1, 59_000, 59_001, 59_999, 60_000])
def test_the_rest_of_a_period_ends_where_the_next_one_begins(now: int) -> None:
    rest = CallRate("minute", MINUTE_MS).rest(now)

    assert 1 <= rest <= 60
    assert (now + rest * 1000) // MINUTE_MS == now // MINUTE_MS + 1


@pytest.mark.parametrize("value", [None, 0, -1, True, "3", 1.5, [], RATE_MAX + 1])
def test_what_is_no_limit_limits_nothing(value: Any) -> None:
    assert limit_of(project(toy={"calls": value}), "toy", "calls") is None
    assert limit_of(project(toy={"calls": 3}), "toy", "calls") == 3
