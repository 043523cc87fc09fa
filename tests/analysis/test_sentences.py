"""Sentences for people: every one that ships can be filled, and templates are checked."""

from __future__ import annotations

from typing import get_args

import pytest

from tierline.analysis.phrasebook import PHRASES, day_text
from tierline.model.events import Cause, EventKind
from tierline.rules.lint.lint import lint
from tierline.rules.policy import Policy
from tierline.rules.program import Rules
from tierline.rules.sentence_template import (
    SENTENCES,
    TEMPLATE_CHARACTERS_MAX,
    TemplateInvalid,
    check,
    fill,
)


@pytest.mark.parametrize("language", PHRASES)
def test_what_ships_is_whole_and_can_be_filled(language: str) -> None:
    """Every kind, every cause, every reason; in both languages, with and without what may lack."""
    phrases = PHRASES[language]
    assert phrases.keys() == SENTENCES.keys() >= {*get_args(EventKind), *get_args(Cause)}
    for name, template in phrases.items():
        check(name, template)
        fields = SENTENCES[name]
        everything = dict.fromkeys(fields.certain | fields.possible, "X")
        for facts in (everything, dict.fromkeys(fields.certain, "X")):
            text = fill(template, facts)
            assert text.strip() == text
            assert not set(text) & set("[]{}")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("", "must not be empty"),
        ("   ", "must not be empty"),
        ("x" * (TEMPLATE_CHARACTERS_MAX + 1), "has 501 characters"),
        ("Two\nlines", "must be one line"),
        ("{tier} and {nothing}", "has no field {nothing}"),
        ("{tier.__class__}", "has a brace"),
        ("{tier!r}", "has a brace"),
        ("{}", "has a brace"),
        ("100 % } of it", "has a brace"),
        ("{tier} until {until}", "{until} is not always known"),
        ("[{until}", "not closed"),
        ("{until}]", "a square bracket too many"),
        ("[a [b] c]", "a square bracket too many"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(template: str, reason: str) -> None:
    """By name, with what to do instead."""
    with pytest.raises(TemplateInvalid, match=r".+") as refused:
        check("upgraded", template)
    assert reason in str(refused.value)


def test_facts_are_put_in_as_they_are() -> None:
    """A tier called like a field is no field, and nothing is markup."""
    text = fill("{tier}[ by {key}]", {"tier": "<b>{key}</b> [x]", "key": "{tier}"})
    assert text == "<b>{key}</b> [x] by {tier}"
    assert fill("{tier}[ by {key}].", {"tier": "Gold", "key": None}) == "Gold."


def test_a_programs_own_sentences_are_linted() -> None:
    """Each fault names its field."""
    faults = {
        "de": {"upgraded": "Hallo {nobody}", "nothing": "x", "left": "Weg von {tier_from}."},
        "Deutsch!": {"left": "x"},
    }
    findings = lint(Rules("Club", Policy(()), sentences=faults))
    paths = [finding.path for finding in findings if finding.severity == "error"]
    assert paths == ["sentences.de.upgraded", "sentences.de.nothing", "sentences"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "1 March 2024"),
        ("en-GB", "1 March 2024"),
        ("de-AT", "1. März 2024"),
        ("fr", "2024-03-01"),
    ],
)
def test_days_are_written_as_the_language_does(language: str, text: str) -> None:
    """ISO 8601 where no words ship."""
    assert day_text("2024-03-01", language) == text
