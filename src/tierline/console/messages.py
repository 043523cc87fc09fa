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
    "retried": "What waits is tried now.",
    "paused": "Nothing is sent until you resume; nothing is lost.",
    "resumed": "It goes on where it stopped.",
    "stopped": "The replay has ended.",
    "replayed": "The events are on their way again.",
    "removed": "The endpoint is deleted.",
    "changed": "The endpoint is changed.",
    "saved": "The rules are saved.",
    "proposed": "The change is proposed; another person has to approve it.",
    "approved": "The change is approved.",
    "turned_down": "The change is turned down.",
    "advanced": "The clock went on.",
    "project": "The project is changed.",
    "disabled": "The key is disabled.",
    "role": "The role is given.",
    "taken_out": "They have no role here any more.",
    "signed_out": "Their sessions have ended.",
    "ended": "The session has ended.",
    "import_removed": "The file is deleted; what was imported stays.",
    "erased": "The customer is erased.",
    "left": "The membership has ended.",
}
