"""Which shards count as away, and what is said of them: decided from what nodes answered."""

from __future__ import annotations

import pytest

from tierline.store.absent_shards import AbsentShards, absent_text, shards_text
from tierline.store.errors import NodeAway
from tierline.store.node_watch import Reply, away, by_node

NODES = by_node([(2, "b"), (0, "a"), (1, "b"), (3, "b")])


def test_a_node_holds_its_shards_in_order() -> None:
    """However the catalog gives them."""
    assert NODES == {"a": [0], "b": [1, 2, 3]}


@pytest.mark.parametrize(
    ("replies", "silent", "gone"),
    [
        ({"a": "there", "b": "there"}, set(), set()),
        ({"a": "there", "b": "refused"}, set(), {1, 2, 3}),
        ({"a": "silent", "b": "there"}, set(), set()),
        ({"a": "silent", "b": "there"}, {"a"}, {0}),
        ({"a": "silent", "b": "there"}, {"b"}, set()),
        ({"a": "refused", "b": "refused"}, set(), {0, 1, 2, 3}),
    ],
)
def test_who_refuses_is_away_and_who_is_silent_twice(
    replies: dict[str, Reply], silent: set[str], gone: set[int]
) -> None:
    """Silence once may be a busy moment."""
    assert away(NODES, replies, silent).keys() == gone


def test_shards_are_counted_in_words() -> None:
    """One, and several."""
    assert shards_text([3]) == "shard 3"
    assert shards_text([5, 1, 2]) == "shards 1, 2 and 5"
    assert absent_text([3]).startswith("shard 3 is away")
    assert absent_text([3, 4]).startswith("shards 3 and 4 are away")


async def test_only_what_is_away_is_refused() -> None:
    """And only as long as it is; whoever listens hears of each change once."""
    absent, changes = AbsentShards(), list[object]()
    absent.on_change(lambda: changes.append(dict(absent.nodes)))
    absent.require(1)
    absent.saw({1: "b"})
    absent.saw({1: "b"})
    with pytest.raises(NodeAway) as caught:
        absent.require(1)
    with pytest.raises(NodeAway):
        absent.require_all()
    absent.require(0)
    seen = await absent.confirms(1), await absent.confirms(0), await absent.confirms_any()
    absent.saw({})
    absent.require_all()

    assert caught.value.facts["retry_after"] > 1
    assert "shard 1" in caught.value.sentence
    assert seen == (True, False, True)
    assert changes == [{1: "b"}, {}]


async def test_whoever_failed_has_somebody_look() -> None:
    """Where somebody watches; the answer is what was seen then."""
    absent = AbsentShards()

    async def look() -> None:
        absent.saw({2: "b"})

    before = await absent.confirms(2)
    absent.watched_by(look)

    assert (before, await absent.confirms(2)) == (False, True)
