"""What the fields of a policy's windows mean: part of `field_descriptions`."""

from __future__ import annotations

from typing import Final

POLICY: Final = """
CarryOver.above: Amounts, rising: a surplus is what is over the highest of them that is reached.
carry_over: What a window that has closed brings into the next.
CarryOver.most: So much of the surplus at most; null: all of it.
offset_days: By how many days the unit is shifted.
offset_months: By how many months the unit is shifted.
windows: How many windows beyond this one.
"""
