"""Explanations as callers see them: instants are text, and every part has a type."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tierline.analysis.explain import Counted, Explanation
from tierline.analysis.sentences import Sentence
from tierline.ledger.previews.preview import PreviewProgress, Report
from tierline.model.events import Cause, EventKind
from tierline.rules.metric import Metric
from tierline.rules.policy import Assessment, Lapse, Renewal, Start
from tierline.rules.term import Term
from tierline.rules.window import Window
from tierline.web import responses
from tierline.web.problem import Problem
from tierline.web.responses import OverrideAnswer


class TotalAnswer(Struct, frozen=True):
    """A metric in its window. `start` and `end` are civil days, `end` exclusive; null: unbounded.
    `counted` adds up to `total`."""

    metric: Metric
    window: Window
    start: str | None
    end: str | None
    total: int
    counted: tuple[Counted, ...]


class JudgedCriterion(Struct, frozen=True, rename={"from_": "from", "is_": "is"}):
    """A criterion as it was written, whether it holds, and the `value` it was held against."""

    type: Literal["range", "attribute", "member_for", "all", "any", "at_least"]
    holds: bool
    value: str | int | bool | UnsetType | None = UNSET
    from_: int | UnsetType = UNSET
    to: int | UnsetType = UNSET
    metric: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    is_: str | int | bool | UnsetType = UNSET
    length: str | UnsetType = UNSET
    from_day: str | UnsetType = UNSET
    k: int | UnsetType = UNSET
    of: tuple[JudgedCriterion, ...] | UnsetType = UNSET


class TierCheckAnswer(Struct, frozen=True):
    """One tier of the ladder, and whether its criterion holds now."""

    tier: str
    criterion: JudgedCriterion
    rule: Literal["entry", "retain", "reentry", "invitation"]
    holds: bool


class HeldTermAnswer(Struct, frozen=True):
    """Where the dates of the held tier come from."""

    rule: Term
    started: str | None
    counted_from: str | None
    formula: str | None
    last_valid_day: str | None
    ends_at: str | None
    grace_until: str | None
    set_at: str | None
    set_by: int | None
    set_by_key: str | None


class PolicyParts(Struct, frozen=True):
    """The parts of the policy that decide when a tier comes and goes."""

    assessment: Assessment
    start: Start
    renewal: Renewal
    lapse: Lapse
    corrections: Literal["forward", "retroactive", "protect"]


class EventLine(Struct, frozen=True):
    """A member's last tier event."""

    seq: int
    kind: EventKind
    tier_from: str | None
    tier_to: str | None
    at: str
    cause: Cause
    version: int
    entry: int | None
    key: str | None


class ExplanationAnswer(Struct, frozen=True):
    """`tier` is what the world sees, `held` what the rules grant, `qualified` what the totals
    earn now; `because` says in words how they hang together."""

    at: str
    known_at: str
    version: int
    tier: str | None
    qualified: str | None
    held: str | None
    because: str
    totals: dict[str, TotalAnswer]
    ladder: tuple[TierCheckAnswer, ...]
    term: HeldTermAnswer | None
    rules: PolicyParts
    waiting: tuple[str, ...] | None
    overrides: tuple[OverrideAnswer, ...]
    last_event: EventLine | None
    sentences: tuple[Sentence, ...]
    checkpoint: str | None


class SampleAnswer(Struct, frozen=True, rename={"from_": "from"}):
    """One member of a cell, with the arithmetic under the new rules."""

    customer: str | None
    customer_id: str | None
    from_: str | None
    to: str | None
    explanation: ExplanationAnswer


PreviewAnswer = msgspec.defstruct(
    "PreviewAnswer",
    [
        (field.name, tuple[SampleAnswer, ...] if field.name == "samples" else field.type)
        for field in msgspec.structs.fields(Report)
    ],
    namespace={"__doc__": Report.__doc__},
)


class PreviewProgressLine(Struct, frozen=True):
    """A line while a preview works."""

    progress: PreviewProgress


class PreviewResultLine(Struct, frozen=True):
    """The last line of a preview."""

    preview: PreviewAnswer  # type: ignore[valid-type]


class PreviewProblemLine(Struct, frozen=True):
    """The last line of a preview that failed."""

    problem: Problem


def explanation_answer(explanation: Explanation) -> dict[str, Any]:
    """As `ExplanationAnswer`."""
    fields: dict[str, Any] = msgspec.to_builtins(explanation)
    fields["overrides"] = [responses.override(override) for override in explanation.overrides]
    event, key = explanation.last_event, fields.pop("last_event_key")
    fields["last_event"] = None if event is None else {**responses.event(event), "key": key}
    return fields


def preview_answer(report: Report) -> dict[str, Any]:
    """As `PreviewAnswer`."""
    fields: dict[str, Any] = msgspec.to_builtins(report)
    for sample, line in zip(report.samples, fields["samples"], strict=True):
        line["explanation"] = explanation_answer(sample.explanation)
    return fields
