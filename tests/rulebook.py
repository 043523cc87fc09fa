"""Prints the tables of docs/rules.md from the code: `python -m tests.rulebook` writes them."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path

from tierline.engine import ladder, metric, model, points, policy, term, window
from tierline.engine.dues import ORDER
from tierline.engine.transitions import TRANSITIONS

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"


def transitions() -> Iterator[str]:
    yield "| was in | is now in | the term began anew, or is held unearned | event |"
    yield "|---|---|---|---|"
    for (was, now, renewed), kind in TRANSITIONS.items():
        before = "a tier" if was else "no tier"
        after = {"none": "no tier", "same": "the same", "higher": "a higher tier"}.get(
            now, "a lower tier"
        )
        yield f"| {before} | {after} | {'yes' if renewed else 'no'} | {kind or '–'} |"


def order() -> Iterator[str]:
    for i, (words, _) in enumerate(ORDER, 1):
        yield f"{i}. {words}"


def parts() -> Iterator[str]:
    yield "| part | value | meaning |"
    yield "|---|---|---|"
    unions = (
        ("window", window.Window),
        ("criterion", ladder.Criterion),
        ("term", term.Term),
        ("points expiry", points.Expiry),
    )
    yield from _choices("metric source", metric.Source)
    for part, union in unions:
        for value in typing.get_args(union):
            meaning = _first_sentence(value.__doc__)
            yield f"| {part} | `{value.__struct_config__.tag}` | {meaning} |"
    yield from _choices("assessment (up, down)", policy.Occasion)
    yield from _choices("start", _hint(policy.Start, "when"))
    yield from _choices("renewal basis", _hint(policy.Renewal, "basis"))
    yield from _choices("renewal restart", _hint(policy.Renewal, "restart"))
    yield from _choices("lapse", ladder.LapseRule)
    yield from _choices("override", model.OverrideKind)
    yield from _choices("after an override", _hint(model.Override, "then"))
    yield from _choices("corrections", _hint(policy.Policy, "corrections"))
    yield from _choices("members at a change of rules", policy.OnChange)
    yield from _choices("points at a crossing", _hint(points.Points, "crossing"))


MEANINGS = {
    "balance": "points that can be spent now",
    "earned": "points collected; spending and expiry do not lower it",
    "spend": "money, net of refunds",
    "count": "how many activities match the filter (orders, unless it says otherwise)",
    "sum": "a number in the metadata of matching activities: nights, miles",
    "on_activity": "at every change of what is counted",
    "at_term_end": "only when a term ends",
    "at_window_end": "only when the window turns",
    "immediate": "the moment the threshold is reached",
    "next_window": "with the next window, by the final sum of the one that closed",
    "after": "a stated while later, if still earned",
    "term_end": "from the end of the old term",
    "now": "from the day of the renewal",
    "upgrade": "only a higher tier starts a new term early",
    "requalified": "qualifying again moves the end later, never earlier",
    "keep": "the tier stays, in a new term",
    "one_step": "one tier down, or to what is earned if that is higher",
    "to_qualifying": "to the tier that is earned",
    "to_base": "to the lowest tier",
    "leave": "out of every tier",
    "pin": "exactly this tier",
    "floor": "at least this tier",
    "cap": "at most this tier",
    "hold": "tier and clock stand still; the term goes on afterwards",
    "rejudge": "judged as at an expiry",
    "start_term": "the asserted tier goes on in a fresh term",
    "forward": "the metric changes at once; a granted term stays",
    "retroactive": "history is re-played; differences are announced now as corrections",
    "protect": "nothing granted or waiting is ever taken by a correction",
    "next_assessment": "nobody moves until they are judged next",
    "up_only": "who qualifies for a higher tier rises at once",
    "before": "the tier held before the order decides the multiplier",
    "split": "points below the threshold at the old tier's rate, above it at the new one's",
}
SPECIAL = {
    ("points at a crossing", "after"): "the tier reached by the order decides the multiplier",
    (
        "members at a change of rules",
        "rejudge",
    ): "everybody is judged at once, up and down, in fresh terms",
}


def _choices(part: str, literal: object) -> Iterator[str]:
    for value in typing.get_args(literal):
        yield f"| {part} | `{value}` | {SPECIAL.get((part, value)) or MEANINGS[value]} |"


def _hint(struct: type, field: str) -> object:
    return typing.get_type_hints(struct)[field]


def _first_sentence(doc: str | None) -> str:
    text = " ".join((doc or "").split())
    return re.split(r"(?<=\.)\s", text)[0].rstrip(".").replace("|", "\\|")


SECTIONS = {"transitions": transitions, "order": order, "parts": parts}


def printed(page: str) -> str:
    """The page with every generated section as the code says it now."""
    for name, lines in SECTIONS.items():
        start = f"<!-- {name}: printed from the code -->\n"
        before, _, rest = page.partition(start)
        after = rest.partition("<!-- end -->")[2]
        page = "".join((before, start, *(f"{line}\n" for line in lines()), "<!-- end -->", after))
    return page


if __name__ == "__main__":
    PAGE.write_text(printed(PAGE.read_text()))
