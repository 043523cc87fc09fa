"""Templates of sentences that tell people where they stand, and what may stand in them.

A template is plain text. `{field}` stands for a fact. What stands in square brackets is left out
where a fact in it is not known: "Kept until {until}[, because {reason}]." Every sentence has a
name, one for each kind of move, each cause, and each reason why a tier is held.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

TEMPLATE_CHARACTERS_MAX: Final = 500
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TOKEN: Final = re.compile(r"\{([a-z_]*)\}|[\[\]{}]|[^\[\]{}]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


class SentenceFields(Struct, frozen=True):
    """The facts of a sentence: those that are always known, and those that may not be."""

    certain: frozenset[str]
    possible: frozenset[str] = frozenset()


def _fields(certain: str, possible: str = "") -> SentenceFields:
    return SentenceFields(frozenset(certain.split()), frozenset(possible.split()))


_CAUSE: Final = _fields("day", "tier tier_from until key reason")
_HELD: Final = _fields("tier", "value needed missing until")
_HELD_UNTIL: Final = _fields("tier until", "value needed missing")
SENTENCES: Final[Mapping[str, SentenceFields]] = {
    # What happened last.
    "joined": _fields("tier day", "until"),
    "upgraded": _fields("tier tier_from day", "until"),
    "downgraded": _fields("tier tier_from day", "until"),
    "prolonged": _fields("tier day", "until"),
    "left": _fields("tier_from day"),
    # Why: the causes of events.
    "activity": _CAUSE,
    "expiry": _CAUSE,
    "activation": _CAUSE,
    "term_end": _CAUSE,
    "window_turn": _CAUSE,
    "start": _CAUSE,
    "requalified": _CAUSE,
    "grace": _CAUSE,
    "lapse_keep": _CAUSE,
    "override": _CAUSE,
    "enrolment": _CAUSE,
    "leaving": _CAUSE,
    "rules": _CAUSE,
    "correction": _CAUSE,
    "import": _CAUSE,
    "bonus": _CAUSE,
    # What keeps the tier, or gives none.
    "not_member": _fields(""),
    "no_tier": _fields("", "value"),
    "earned": _HELD,
    "term_keeps": _HELD_UNTIL,
    "grace_keeps": _HELD_UNTIL,
    "kept_without_end": _HELD,
    "kept_for_now": _HELD,
    "set_by_hand": _fields("tier", "until reason"),
    "no_tier_by_hand": _fields("", "until reason"),
    "frozen_by_hand": _fields("", "tier until reason"),
    "waits": _fields("next_tier day", "tier"),
    "higher_soon": _fields("next_tier", "tier"),
    "higher_at_term_end": _fields("next_tier", "tier until"),
    "higher_at_window_end": _fields("next_tier", "tier"),
    # What a number is called.
    "one_point": _fields("number"),
    "points": _fields("number"),
    "one_activity": _fields("number"),
    "activities": _fields("number"),
    "sum": _fields("number", "of"),
    "money": _fields("number currency"),
}


class TemplateInvalid(ValueError):
    """A template that cannot be used; the message says why, as the end of a sentence."""


class _Part(Struct, frozen=True):
    """`texts` and `fields` by turns, a text first."""

    optional: bool
    texts: tuple[str, ...]
    fields: tuple[str, ...]


def check(name: str, template: str) -> None:
    """Raises TemplateInvalid for a template that the sentence `name` cannot use."""
    if not template.strip():
        raise TemplateInvalid("must not be empty")
    if len(template) > TEMPLATE_CHARACTERS_MAX:
        most = f"at most {TEMPLATE_CHARACTERS_MAX} are allowed"
        raise TemplateInvalid(f"has {len(template)} characters, {most}")
    if _CONTROL.search(template):
        raise TemplateInvalid("must be one line of text, without control characters")
    fields = SENTENCES[name]
    for part in _parts(template):
        for field in part.fields:
            if field not in fields.certain | fields.possible:
                names = ", ".join(sorted(fields.certain | fields.possible)) or "none"
                raise TemplateInvalid(f"has no field {{{field}}}; known are {names}")
            if not part.optional and field not in fields.certain:
                reason = f"{{{field}}} is not always known: put it in square brackets"
                raise TemplateInvalid(f"cannot be filled: {reason}, with what goes with it")


def fill(template: str, facts: Mapping[str, str | None]) -> str:
    """Returns the sentence. Facts are put in as they are: nothing in them is a field again."""
    return "".join(
        _filled(part, facts)
        for part in _parts(template)
        if not part.optional or all(facts.get(field) is not None for field in part.fields)
    )


def is_language(tag: str) -> bool:
    """Whether this is a language tag as `de` or `pt-BR`."""
    return _LANGUAGE.fullmatch(tag) is not None


def _filled(part: _Part, facts: Mapping[str, str | None]) -> str:
    facts_in_order = [facts.get(field) or "" for field in part.fields]
    return "".join(
        text + fact for text, fact in zip(part.texts, [*facts_in_order, ""], strict=True)
    )


def _parts(template: str) -> list[_Part]:
    parts: list[_Part] = []
    texts: list[str] = [""]
    fields: list[str] = []
    optional = False
    for token in _TOKEN.finditer(template):
        text, field = token[0], token[1]
        if text in "[]":
            if optional == (text == "["):
                raise TemplateInvalid("has a square bracket too many; brackets do not nest")
            parts.append(_Part(optional, tuple(texts), tuple(fields)))
            texts, fields, optional = [""], [], not optional
        elif field:
            fields.append(field)
            texts.append("")
        elif text[0] in "{}":
            raise TemplateInvalid("has a brace that belongs to no field like {tier}")
        else:
            texts[-1] += text
    if optional:
        raise TemplateInvalid("has a square bracket that is not closed")
    return [*parts, _Part(False, tuple(texts), tuple(fields))]
