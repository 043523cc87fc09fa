"""The codes of loyalty cards, as a campaign's `code_config` wants them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tierline.model.validation import NAME_CHARACTERS_MAX, invalid

CHARSET: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
LENGTH: Final = 8
_GAP = "#"
_CONFIG = "voucher.code_config"


def code_config(config: Any) -> dict[str, Any]:
    """Returns a campaign's whole `code_config`: a pattern whose gaps are filled from the charset,
    between prefix and postfix. Raises Invalid for one that no code can follow."""
    if not isinstance(config, Mapping):
        raise invalid(_CONFIG, "expected an object")
    pattern = config.get("pattern")
    length = config.get("length") or LENGTH
    if type(length) is not int or not 0 < length <= NAME_CHARACTERS_MAX:
        raise invalid(f"{_CONFIG}.length", f"expected 1 to {NAME_CHARACTERS_MAX}")
    texts = {field: config.get(field) or "" for field in ("prefix", "charset", "postfix")}
    texts["pattern"] = pattern or _GAP * length
    for field, text in texts.items():
        if not isinstance(text, str):
            raise invalid(f"{_CONFIG}.{field}", "expected text")
    if len(texts["prefix"] + texts["pattern"] + texts["postfix"]) > NAME_CHARACTERS_MAX:
        raise invalid(_CONFIG, f"a code has at most {NAME_CHARACTERS_MAX} characters")
    gaps = texts["pattern"].count(_GAP)
    if not gaps:
        raise invalid(f"{_CONFIG}.pattern", "it has no #, so all codes would be the same")
    return {
        "length": gaps,
        "prefix": texts["prefix"],
        "charset": texts["charset"] or CHARSET,
        "pattern": texts["pattern"],
        "postfix": texts["postfix"],
    }


def new_code(config: Mapping[str, Any], choose: Callable[[str], str]) -> str:
    """Returns a code as a campaign's `code_config` wants it; `choose` picks a character."""
    whole = code_config(config)
    filled = "".join(choose(whole["charset"]) if c == _GAP else c for c in whole["pattern"])
    return f"{whole['prefix']}{filled}{whole['postfix']}"
