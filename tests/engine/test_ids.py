"""Ids that follow from what they name."""

from __future__ import annotations

from itertools import product

import pytest

from tierline.engine import ids

BODY = b'{"seq":1,"kind":"joined"}'


def test_an_event_has_the_id_that_it_always_had() -> None:
    """Consumers drop what they saw by id: a change of this would tell them everything again."""
    assert ids.event_id("proj_a", "club", 0x123456, BODY) == "evt_0000000i6hb9a02o10nt7u1e9s8g"


def test_what_is_told_otherwise_has_another_id() -> None:
    """Of another project, program or customer, or in other words."""
    told = set(product(("p", "q"), ("club", "shop"), (1, 2), (BODY, BODY.replace(b"1", b"2"))))
    assert len({ids.event_id(*about) for about in told}) == 16


@pytest.mark.parametrize("customer", [1, 2**16, 2**53 - 1])
def test_an_event_id_names_its_customer(customer: int) -> None:
    assert ids.customer_of_event(ids.event_id("p", "club", customer, BODY)) == customer


@pytest.mark.parametrize("text", ["", "evt_", "evt_ops_0123", "ord_" + "0" * 28, "evt_" + "z" * 28])
def test_no_other_text_does(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ids.customer_of_event(text)
