"""The programs of docs/cookbook.md, in the stories that stand beside them."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.engine.scenario import Scenario, add_line, joined_lines, play
from tests.reference import NoOpinion, civil
from tierline.proposals import ProgramBody, refuse_broken, rules_from
from tierline.rules.lint.lint import lint
from tierline.rules.program import Program, Version
from tierline.vendors.vendor import ProgramFacts
from tierline.web.responses import MemberAnswer, PointsAnswer, ProgressAnswer

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cookbook.md"
STORY = re.compile(
    r"^## (?P<title>.+?)\n+\[(?P<file>[\w.]+)\].+?"
    r"Project: `(?P<zone>[\w/]+)`, (?P<currency>[A-Z]{3})\..*?^```\n(?P<story>.+?)^```$",
    re.MULTILINE | re.DOTALL,
)
STORIES = [match.groupdict() for match in STORY.finditer(PAGE.read_text())]
FILES = sorted(path.name for path in (ROOT / "examples" / "programs").glob("*.json"))


def scenario_of(story: dict[str, str]) -> Scenario:
    raw = (ROOT / "examples" / "programs" / story["file"]).read_bytes()
    facts = ProgramFacts("club", "project", 0, story["currency"])
    rules = rules_from(msgspec.json.decode(raw, type=ProgramBody), facts)
    refuse_broken(rules)
    assert [finding.reason for finding in lint(rules)] == []
    versions = (Version(1, 0, rules),)
    program = Program("club", "project", story["zone"], story["currency"], versions)
    zone = civil.zone(story["zone"])
    scenario = Scenario(story["file"], 1, story["title"], program, zone)
    for number, text in joined_lines(story["story"]):
        add_line(scenario, number, text.strip())
    return scenario


def test_every_program_has_its_story() -> None:
    """And the page speaks of no other."""
    assert sorted(story["file"] for story in STORIES) == FILES


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story["file"])
def test_a_program_does_what_its_page_says(story: dict[str, str]) -> None:
    """To the event, the tier, the instant and the cause."""
    try:
        problems = play(scenario_of(story))
    except NoOpinion as unknown:
        pytest.skip(f"as it is written; but the slow evaluator does not know {unknown}")

    assert not problems, "\n".join(problems)


def test_every_field_of_the_account_page_is_explained() -> None:
    """Of a member's answer, and none that is not there."""
    section = PAGE.read_text().partition("## An account page")[2].partition("\n## ")[0]
    named = {word for text in re.findall(r"`([a-z_.]+)`", section) for word in text.split(".")}

    for answer in (MemberAnswer, PointsAnswer, ProgressAnswer):
        assert set(answer.__struct_fields__) <= named
