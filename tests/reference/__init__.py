"""An independent, slow evaluator: it exists to disagree with the engine.

It shares the data types (policy, ladder, entries) with the engine and nothing else: no method of
those types is called, no date function of the engine is used.
"""

from __future__ import annotations


class NoOpinion(Exception):
    """A value of the policy of which the evaluator was not told yet."""

    def __init__(self, part: object) -> None:
        super().__init__(f"{type(part).__name__}: {part}")
