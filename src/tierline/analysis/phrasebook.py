"""The sentences that ship: English and German. A program may replace each, in any language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FALLBACK: Final = "en"

_ENGLISH: Final = {
    "joined": "You reached {tier} on {day}.",
    "upgraded": "You moved up from {tier_from} to {tier} on {day}.",
    "downgraded": "You moved down from {tier_from} to {tier} on {day}.",
    "prolonged": "{tier} was prolonged on {day}[, until {until}].",
    "left": "You left {tier_from} on {day}.",
    "activity": "An activity made the difference[: {key}].",
    "expiry": "Points had expired.",
    "activation": "Pending points had become active.",
    "term_end": "The term[ of {tier_from}] had ended, and it was not earned again.",
    "window_turn": "The period in which activities count had moved on.",
    "start": "It had been earned before, and began then.",
    "requalified": "The term had ended, and the tier was earned again.",
    "grace": "It is no longer earned, and kept for a while[, until {until}].",
    "lapse_keep": "It is no longer earned, and the rules keep it[ until {until}].",
    "override": "Somebody decided so by hand[: {reason}].",
    "enrolment": "You became a member.",
    "leaving": "Your membership ended.",
    "rules": "The program's rules had changed.",
    "correction": "An earlier activity was corrected[ by {key}].",
    "import": "It was brought along from another system.",
    "bonus": "The program gave points by a rule of its own.",
    "not_member": "You are not a member.",
    "no_tier": "No tier is earned so far[: you have {value}].",
    "earned": "{tier} is earned[: it asks for {needed}, and you have {value}]"
    "[; its term runs until {until}].",
    "term_keeps": "{tier} is no longer earned[: it asks for {needed}, and you have {value}]; "
    "its term keeps it until {until}.[ It is earned again with {missing} more.]",
    "grace_keeps": "{tier} is no longer earned[: it asks for {needed}, and you have {value}]; "
    "it is kept as a grace until {until}.[ It is earned again with {missing} more.]",
    "kept_without_end": "{tier} is no longer earned[: it asks for {needed}, and you have {value}]; "
    "its term has no end.",
    "kept_for_now": "{tier} is no longer earned[: it asks for {needed}, and you have {value}]; "
    "it is taken at the next assessment.[ It is earned again with {missing} more.]",
    "set_by_hand": "{tier} was set by hand[, until {until}][: {reason}].",
    "no_tier_by_hand": "Somebody decided by hand that you are in no tier[, until {until}]"
    "[: {reason}].",
    "frozen_by_hand": "Your tier is frozen by hand[, until {until}][: {reason}].",
    "waits": "{next_tier} is earned, and begins on {day}.",
    "higher_soon": "{next_tier} is earned, and given at the next assessment.",
    "higher_at_term_end": "{next_tier} is earned, and given when the term ends[ on {until}].",
    "higher_at_window_end": "{next_tier} is earned, and given when the period ends in which "
    "activities count.",
    "one_point": "{number} point",
    "points": "{number} points",
    "one_activity": "{number} activity",
    "activities": "{number} activities",
    "sum": "{number}[ {of}]",
    "money": "{number} {currency}",
}

_GERMAN: Final = {
    "joined": "Sie haben am {day} {tier} erreicht.",
    "upgraded": "Sie sind am {day} von {tier_from} zu {tier} aufgestiegen.",
    "downgraded": "Sie sind am {day} von {tier_from} zu {tier} abgestiegen.",
    "prolonged": "{tier} wurde am {day} verlängert[, bis {until}].",
    "left": "Sie haben am {day} {tier_from} verlassen.",
    "activity": "Eine Aktivität gab den Ausschlag[: {key}].",
    "expiry": "Punkte waren verfallen.",
    "activation": "Vorgemerkte Punkte waren gültig geworden.",
    "term_end": "Die Laufzeit[ von {tier_from}] war zu Ende, und die Stufe war nicht neu verdient.",
    "window_turn": "Der Zeitraum, in dem Aktivitäten zählen, war weitergerückt.",
    "start": "Die Stufe war schon vorher verdient und begann an diesem Tag.",
    "requalified": "Die Laufzeit war zu Ende, und die Stufe war neu verdient.",
    "grace": "Die Stufe ist nicht mehr verdient und bleibt noch eine Weile[, bis {until}].",
    "lapse_keep": "Die Stufe ist nicht mehr verdient, und die Regeln lassen sie Ihnen"
    "[ bis {until}].",
    "override": "Das wurde von Hand so entschieden[: {reason}].",
    "enrolment": "Sie sind Mitglied geworden.",
    "leaving": "Ihre Mitgliedschaft endete.",
    "rules": "Die Regeln des Programms hatten sich geändert.",
    "correction": "Eine frühere Aktivität wurde berichtigt[ durch {key}].",
    "import": "Die Stufe wurde aus einem anderen System übernommen.",
    "bonus": "Das Programm gab Punkte nach einer eigenen Regel.",
    "not_member": "Sie sind kein Mitglied.",
    "no_tier": "Bisher ist keine Stufe verdient[: Sie haben {value}].",
    "earned": "{tier} ist verdient[: nötig sind {needed}, Sie haben {value}]"
    "[; die Laufzeit geht bis {until}].",
    "term_keeps": "{tier} ist nicht mehr verdient[: nötig sind {needed}, Sie haben {value}]; "
    "die Laufzeit erhält die Stufe bis {until}.[ Es fehlen {missing}.]",
    "grace_keeps": "{tier} ist nicht mehr verdient[: nötig sind {needed}, Sie haben {value}]; "
    "aus Kulanz bleibt die Stufe bis {until}.[ Es fehlen {missing}.]",
    "kept_without_end": "{tier} ist nicht mehr verdient[: nötig sind {needed}, Sie haben {value}]; "
    "die Laufzeit hat kein Ende.",
    "kept_for_now": "{tier} ist nicht mehr verdient[: nötig sind {needed}, Sie haben {value}]; "
    "die Stufe endet mit der nächsten Prüfung.[ Es fehlen {missing}.]",
    "set_by_hand": "{tier} wurde von Hand gesetzt[, bis {until}][: {reason}].",
    "no_tier_by_hand": "Von Hand wurde entschieden, dass Sie in keiner Stufe sind"
    "[, bis {until}][: {reason}].",
    "frozen_by_hand": "Ihre Stufe ist von Hand eingefroren[, bis {until}][: {reason}].",
    "waits": "{next_tier} ist verdient und beginnt am {day}.",
    "higher_soon": "{next_tier} ist verdient und kommt mit der nächsten Prüfung.",
    "higher_at_term_end": "{next_tier} ist verdient und kommt am Ende der Laufzeit[ am {until}].",
    "higher_at_window_end": "{next_tier} ist verdient und kommt, wenn der "
    "Zeitraum endet, in dem Aktivitäten zählen.",
    "one_point": "{number} Punkt",
    "points": "{number} Punkte",
    "one_activity": "{number} Aktivität",
    "activities": "{number} Aktivitäten",
    "sum": "{number}[ {of}]",
    "money": "{number} {currency}",
}

PHRASES: Final[Mapping[str, Mapping[str, str]]] = {"en": _ENGLISH, "de": _GERMAN}

_MONTHS_ENGLISH: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_MONTHS_GERMAN: Final = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli"),
    *("August", "September", "Oktober", "November", "Dezember"),
)


def day_text(iso_day: str, language: str) -> str:
    """Returns a day (`2024-03-01`) as the language writes it; as it is where no words ship."""
    year, month, day = (int(part) for part in iso_day.split("-"))
    match language.partition("-")[0]:
        case "en":
            return f"{day} {_MONTHS_ENGLISH[month - 1]} {year}"
        case "de":
            return f"{day}. {_MONTHS_GERMAN[month - 1]} {year}"
        case _:
            return iso_day


def decimal_mark(language: str) -> str:
    return "," if language.partition("-")[0] == "de" else "."
