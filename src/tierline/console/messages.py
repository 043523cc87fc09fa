"""What a page says after something was done, by the code that its address carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DONE: Final[Mapping[str, str]] = {
    "adjusted": "The points are adjusted.",
    "overridden": "The override is set.",
    "released": "The override is released.",
    "attributed": "The attributes are set.",
    "reversed": "The activity is taken back.",
    "enrolled": "The customer is a member now.",
    "left": "The membership has ended.",
}
