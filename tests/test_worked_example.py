"""The worked example of docs/architecture.md, done as it is written there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"

# Runs in a process of its own, on a copy of the code with the new class in it.
SCRIPT = """
import sys
from pathlib import Path

import msgspec

import tierline
from tests.engine.scenario import Run, play, read
from tests.engine.test_coverage import possible, used
from tests.reference import NoOpinion
from tests.rulebook import parts
from tierline.analysis.explain import explain
from tierline.analysis.forecast import progress
from tierline.rules.lint.lint import lint
from tierline.rules.policy import Policy
from tierline.store.catalog.programs import decode_rules, encode_rules
from tierline.web.routes.programs import ProgramBody

assert Path(tierline.__file__).is_relative_to(sys.argv[1]), tierline.__file__
(scenario,) = read(Path(sys.argv[2]))
try:
    print("problems", play(scenario))
except NoOpinion as unknown:
    print("unknown", unknown)
choices, uses = set(), set()
possible(msgspec.inspect.type_info(Policy), choices, set())
rules = scenario.program.versions[0].rules
used(rules.policy, uses)
print("covered", ("EndOfSeason", "type", "season") in choices & uses)
print("stored", decode_rules(encode_rules(rules)) == rules, "linted", [*lint(rules)])
body = msgspec.json.encode({"name": "Seasons", "policy": rules.policy})
print("accepted", msgspec.json.decode(body, type=ProgramBody).policy == rules.policy)
print("described", "season" in str(msgspec.json.schema(ProgramBody)))
run = Run(scenario)
standing = run.stepwise()
at = scenario.steps[-1].at
print("formula", explain(scenario.program, run.entries, at).term.formula)
print("ahead", progress(scenario.program, standing, at, run.entries).forecast_tier)
print([row for row in parts() if "season" in row][0])
"""


def blocks(page: str) -> list[tuple[str, str]]:
    """The page's indented code blocks, as (language, code)."""
    matches = re.findall(r"^   ```(\w*)\n(.*?)^   ```$", page, re.MULTILINE | re.DOTALL)
    return [(language, dedent(code)) for language, code in matches]


def test_the_worked_example_is_true(tmp_path: Path) -> None:
    """One class and one scenario file: accepted, stored, decided, explained, foreseen, printed."""
    page = PAGE.read_text()
    section = page.partition("## Adding a policy value")[2].partition("\n## ")[0]
    (python, code), (_, scenario) = blocks(section)
    assert python == "python"
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src" / "tierline", source / "tierline")
    term = source / "tierline" / "rules" / "term.py"
    before, union = term.read_text().split("\nTerm = ")
    term.write_text(f"{before}\n{code}\n\nTerm = {union.rstrip()} | EndOfSeason\n")
    story = tmp_path / "50-season.txt"
    story.write_text(scenario)

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(source), str(story)],
        cwd=ROOT, env={"PYTHONPATH": f"{source}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "unknown EndOfSeason: EndOfSeason()",
        "covered True",
        "stored True linted []",
        "accepted True",
        "described True",
        "formula season from 2024-07-01 on = 2024-12-31",
        "ahead silver",
        "| term | `season` | To the end of the half-year's fashion season |",
    ]
