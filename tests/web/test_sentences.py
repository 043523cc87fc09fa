"""What members are told of themselves: in plain words, by the program's own if it has any."""

from __future__ import annotations

from typing import Any

from tests.web.conftest import POLICY, Api

ANNA = "/api/programs/club/members/anna"
YEARLY = POLICY | {
    "window": {"type": "calendar", "unit": "year"},
    "term": {"type": "window_end"},
    "lapse": {"then": "to_qualifying"},
}


async def program(api: Api, **parts: Any) -> None:
    body = {"name": "Club", "policy": YEARLY, **parts}
    answered = await api.put("/api/programs/club", body)
    assert answered.status in (200, 201), answered.body


async def act(api: Api, kind: str, key: str, **facts: Any) -> None:
    body = {"customer": "anna", "kind": kind, "key": key, **facts}
    answered = await api.post("/api/programs/club/activities", body)
    assert answered.status == 200, answered.body


async def advance(api: Api, at: str) -> None:
    assert (await api.post("/api/clock", {"advance_to": at})).status == 200


async def explanation(api: Api, query: str = "") -> dict[str, Any]:
    answered = await api.get(f"{ANNA}/explain{query}")
    assert answered.status == 200, answered.body
    answer: dict[str, Any] = answered.json
    return answer


async def texts(api: Api, query: str = "") -> list[str]:
    return [line["text"] for line in (await explanation(api, query))["sentences"]]


async def test_why_did_i_move_down(sandbox: Api) -> None:
    """The term ended, and the new year began with nothing."""
    await program(sandbox)
    await act(sandbox, "earn", "a-1", points=520)
    up = await texts(sandbox)
    await advance(sandbox, "2025-02-01T00:00:00Z")
    down = await explanation(sandbox)
    until = "its term runs until 31 December 2024"
    texts_down = [line["text"] for line in down["sentences"]]

    assert up == [
        "You reached Gold on 1 January 2024.",
        "An activity made the difference: a-1.",
        f"Gold is earned: it asks for 500 points, and you have 520 points; {until}.",
    ]
    assert texts_down[0] == "You moved down from Gold to Bronze on 1 January 2025."
    assert texts_down[1] == "The term of Gold had ended, and it was not earned again."
    assert [line["name"] for line in down["sentences"]] == ["downgraded", "term_end", "earned"]


async def test_a_refund_moved_me_down(sandbox: Api) -> None:
    """By the key of what took the points."""
    await act(sandbox, "earn", "a-1", points=520)
    await act(sandbox, "void", "v-1", of="a-1")
    answer = await explanation(sandbox)

    assert [line["text"] for line in answer["sentences"]] == [
        "You moved down from Gold to Bronze on 1 January 2024.",
        "An activity made the difference: v-1.",
        "Bronze is earned.",
    ]
    assert answer["last_event"]["key"] == "v-1"
    assert answer["term"]["set_by_key"] == "v-1"
    assert [line.get("key") for line in answer["totals"]["metric"]["counted"]] == ["a-1", "v-1"]


async def test_what_keeps_me_gold(sandbox: Api) -> None:
    """A term that goes on, although a refund took what had earned it; a person; or nothing."""
    await program(sandbox, policy=YEARLY | {"assessment": {"down": "at_term_end"}})
    await act(sandbox, "earn", "a-1", points=520)
    await act(sandbox, "void", "v-1", of="a-1")
    held = await texts(sandbox)
    pin = {"kind": "pin", "tier": "silver", "until": "2024-03-01T00:00:00Z", "reason": "A gift"}
    assert (await sandbox.put(f"{ANNA}/override", pin)).status == 200
    by_hand = await texts(sandbox)
    await sandbox.call("DELETE", ANNA)
    after = await texts(sandbox)

    assert held[-1] == (
        "Gold is no longer earned: it asks for 500 points, and you have 0 points; its term keeps "
        "it until 31 December 2024. It is earned again with 500 points more."
    )
    assert by_hand == [
        "You moved down from Gold to Silver on 1 January 2024.",
        "Somebody decided so by hand: A gift.",
        "Silver was set by hand, until 29 February 2024: A gift.",
    ]
    assert after[-1] == "You are not a member."


async def test_german_and_languages_that_do_not_ship(sandbox: Api) -> None:
    """A region falls back to its language, another language to English."""
    await act(sandbox, "earn", "a-1", points=1)
    english = await texts(sandbox)

    assert await texts(sandbox, "?language=de") == [
        "Sie haben am 1. Januar 2024 Bronze erreicht.",
        "Eine Aktivität gab den Ausschlag: a-1.",
        "Bronze ist verdient.",
    ]
    assert await texts(sandbox, "?language=de-AT") == await texts(sandbox, "?language=de")
    assert await texts(sandbox, "?language=fr") == english
    assert (await sandbox.get(f"{ANNA}/explain?language=Deutsch")).problem == (
        400,
        "invalid",
        "language",
    )


async def test_a_program_has_words_of_its_own(sandbox: Api) -> None:
    """One sentence, in a language that ships and in one that does not; the rest falls back."""
    sentences = {
        "de": {"joined": "Hurra, {tier}!"},
        "fr": {"joined": "Bienvenue chez {tier}, le {day}."},
    }
    await program(sandbox, sentences=sentences)
    await act(sandbox, "earn", "a-1", points=1)
    german = (await explanation(sandbox, "?language=de"))["sentences"]
    french = (await explanation(sandbox, "?language=fr"))["sentences"]

    assert german[0] == {"name": "joined", "language": "de", "text": "Hurra, Bronze!"}
    assert german[1]["text"] == "Eine Aktivität gab den Ausschlag: a-1."
    assert french[0]["text"] == "Bienvenue chez Bronze, le 2024-01-01."
    assert [line["language"] for line in french] == ["fr", "en", "en"]


async def test_sentences_stay_until_they_are_replaced(sandbox: Api) -> None:
    """Rules that say nothing of them leave them as they were."""
    own = {"en": {"joined": "Welcome to {tier}."}}
    await program(sandbox, sentences=own)
    await program(sandbox, name="Club of clubs")
    former = (await sandbox.get("/api/programs/club")).json["sentences"]
    await program(sandbox, sentences={})
    empty = (await sandbox.get("/api/programs/club")).json["sentences"]

    assert (former, empty) == (own, {})


async def test_bad_sentences_are_refused_with_their_field(sandbox: Api) -> None:
    """And nothing is stored."""
    before = (await sandbox.get("/api/programs/club")).json["version"]
    for language, name, template in (
        ("en", "joined", "Hello {nobody}"),
        ("en", "joined", "Hello {key}"),
        ("de", "hello", "Hallo"),
        ("de", "left", "[Weg"),
    ):
        body = {"name": "Club", "policy": POLICY, "sentences": {language: {name: template}}}
        refused = await sandbox.put("/api/programs/club", body)
        assert refused.problem == (422, "rules_invalid", f"sentences.{language}.{name}")
    assert (await sandbox.get("/api/programs/club")).json["version"] == before


async def test_money_is_written_as_the_language_does(sandbox: Api) -> None:
    """In the project's currency, in its major unit."""
    policy = POLICY | {"metric": {"source": "spend"}}
    await program(sandbox, policy=policy)
    await act(sandbox, "order", "o-1", amount=1990)

    assert (await texts(sandbox))[-1] == (
        "Gold is earned: it asks for 5.00 USD, and you have 19.90 USD."
    )
    assert (await texts(sandbox, "?language=de"))[-1] == (
        "Gold ist verdient: nötig sind 5,00 USD, Sie haben 19,90 USD."
    )
