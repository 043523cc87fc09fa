"""Ids that follow from what they name."""

from __future__ import annotations

from itertools import product

import pytest

from tierline.model import ids


def test_an_event_has_the_id_that_it_always_had() -> None:
    r"""`printf 'proj_a\x1fclub\x1f1193046\x1f1\x1fjoined\x1f1700000000000' | sha256sum`."""
    fact = ids.event_fact("proj_a", "club", 0x123456, 1, "joined")
    assert (
        ids.event_id(fact, 0x123456, 1_700_000_000_000) == "evt_0000000012345666628e076af5df57f2c1"
    )


def test_every_part_counts() -> None:
    facts = product(("p", "q"), ("club", "shop"), (1, 2), (3, 4), ("joined", "left"))
    made = {ids.event_id(ids.event_fact(*fact), fact[2], at) for fact in facts for at in (5, 6)}
    assert len(made) == 64


@pytest.mark.parametrize("customer", [1, 2**16, 2**53 - 1])
def test_an_event_id_names_its_customer(customer: int) -> None:
    fact = ids.event_fact("p", "club", customer, 1, "joined")
    assert ids.customer_of_event(ids.event_id(fact, customer, 5)) == customer


@pytest.mark.parametrize(
    "text", ["", "evt_", "evt_ops_0123", "ord_" + "0" * 34, "evt_" + "g" * 34, "evt_" + "0" * 35]
)
def test_no_other_text_does(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ids.customer_of_event(text)
