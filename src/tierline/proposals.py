"""What somebody proposes: a body becomes a program's rules, and rules what they would do.

The same for a PUT, a preview over HTTP and one from the command line.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from tierline.analysis.preview import Proposal, propose
from tierline.errors import Invalid
from tierline.ledger.previews.preview import SAMPLES_DEFAULT, SAMPLES_MAX
from tierline.model import validation
from tierline.model.calendar import DAY_MS
from tierline.rules.lint import lint
from tierline.rules.points import Points
from tierline.rules.policy import Policy
from tierline.rules.program import OnChange, Program, Rules
from tierline.rules.reminders import Reminders
from tierline.vendors.registry import compile_settings
from tierline.vendors.vendor import ProgramFacts

AHEAD_DAYS_MAX: Final = 10 * 366


class RulesInvalid(Invalid):
    """The rules cannot work: {first}"""

    code = "rules_invalid"
    status = 422


class ProgramBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Either `policy`, or a vendor's `format` and `settings`; what stands beside settings
    replaces that part of what they compile to."""

    name: str | None = None
    policy: Policy | None = None
    points: Points | None = None
    auto_join: bool | None = None
    presentations: dict[str, dict[str, Any]] | None = None
    sentences: dict[str, dict[str, str]] | None = None  # None: as they were
    reminders: Reminders | None = None  # None: as they were
    format: str | None = None
    settings: dict[str, Any] | None = None
    effective_at: str | None = None  # None: at once
    on_change: OnChange = "next_assessment"
    supersede: bool = False  # drop a version that is scheduled for later
    based_on: int | None = None  # refused where the newest version is another


class PreviewBody(ProgramBody, frozen=True, forbid_unknown_fields=True):
    """The rules as a PUT would send them. `until`: look at what follows up to that instant (by
    default only at the change itself). `samples`: how many members of each cell to explain."""

    until: str | None = None
    samples: Annotated[int, Meta(ge=0, le=SAMPLES_MAX)] = SAMPLES_DEFAULT


def rules_from(body: ProgramBody, facts: ProgramFacts) -> Rules:
    """The rules that a body means. Raises Invalid, naming the field."""
    if (body.policy is None) and (body.settings is None):
        reason = "policy: it is needed, or a vendor's format and settings."
        raise Invalid(path="policy", reason=reason)
    if (body.settings is None) != (body.format is None):
        raise Invalid(path="settings", reason="settings: format and settings go together.")
    if body.settings is None or body.format is None:
        rules = _own_rules(body)
    else:
        settings = validation.free_json(body.settings, "settings")
        rules = _laid_over(compile_settings(body.format, settings, facts), body)
    sentences, reminders = body.sentences, body.reminders
    if facts.previous is not None:
        sentences = facts.previous.sentences if sentences is None else sentences
        reminders = facts.previous.reminders if reminders is None else reminders
    return replace(
        rules,
        name=validation.name(rules.name, "name"),
        sentences=sentences or {},
        reminders=reminders or Reminders(),
    )


def _own_rules(body: ProgramBody) -> Rules:
    if body.name is None:
        raise Invalid(path="name", reason="name: it is needed.")
    assert body.policy is not None
    return _laid_over(Rules(body.name, body.policy), body)


def _laid_over(rules: Rules, body: ProgramBody) -> Rules:
    presentations = rules.presentations
    for vendor, facts in (body.presentations or {}).items():
        own = validation.free_json(facts, f"presentations.{vendor}")
        presentations = {**presentations, vendor: {**presentations.get(vendor, {}), **own}}
    return Rules(
        name=rules.name if body.name is None else body.name,
        policy=rules.policy if body.policy is None else body.policy,
        points=rules.points if body.points is None else body.points,
        auto_join=rules.auto_join if body.auto_join is None else body.auto_join,
        presentations=presentations,
    )


def refuse_broken(rules: Rules) -> None:
    wrong = [finding for finding in lint.lint(rules) if finding.severity == "error"]
    if wrong:
        first = f"{wrong[0].path} {wrong[0].reason}."
        findings = [{"path": finding.path, "reason": finding.reason} for finding in wrong]
        raise RulesInvalid(path=wrong[0].path, first=first, findings=findings)


def proposal_of(program: Program, rules: Rules, body: PreviewBody, now: int) -> Proposal:
    """What a body proposes. Raises RulesInvalid for rules that a PUT would refuse, Invalid for
    instants that are over. `now` is the project's own time."""
    refuse_broken(rules)
    effective_at = validation.optional_instant(body.effective_at, "effective_at")
    until = validation.optional_instant(body.until, "until")
    effective_at = now if effective_at is None else effective_at
    _check_order(now, effective_at, until)
    return propose(program, rules, on_change=body.on_change, effective_at=effective_at, until=until)


def _check_order(now: int, effective_at: int, until: int | None) -> None:
    if effective_at < now:
        reason = "effective_at: rules never change the past; expected now or later."
        raise Invalid(path="effective_at", reason=reason)
    latest = effective_at + AHEAD_DAYS_MAX * DAY_MS
    if until is not None and not effective_at <= until <= latest:
        reason = "until: expected an instant from effective_at on, at most ten years later."
        raise Invalid(path="until", reason=reason)
