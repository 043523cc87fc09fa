"""A shop with some customers, whose lives differ: what the console's tests look at."""

from __future__ import annotations

from typing import Any

from tests.web.conftest import Api

START = "2024-01-01T00:00:00Z"
POLICY: dict[str, Any] = {
    "tiers": [
        {"id": "bronze", "name": "Bronze", "from": 0},
        {"id": "silver", "name": "Silver", "from": 200},
        {"id": "gold", "name": "Gold", "from": 800},
        {"id": "platinum", "name": "Platinum", "from": 2000},
    ],
    "metric": {"source": "earned"},
    "window": {"type": "calendar", "unit": "year"},
    "term": {"type": "window_end", "windows": 1},
}
CLUB: dict[str, Any] = {
    "name": "Club",
    "policy": POLICY,
    "points": {"expiry": {"type": "after", "length": "P1Y"}},
}
PEOPLE = (
    ("anna", "Anna Berger", "anna@example.com"),
    ("ben", "Ben Okafor", "ben@example.com"),
    ("carla", "Carla Rossi", "carla@example.com"),
    ("dai", "Dai Nguyen", "dai@example.com"),
    ("elif", "Elif Yılmaz", "elif@example.com"),
    ("finn", "Finn O'Hara", "finn@example.com"),
    ("grace", "Grace Kim", "grace@example.com"),
    ("hugo", "Hugo Martin", "hugo@example.com"),
    ("ines", "Inês Costa", "ines@example.com"),
    ("jonas", "Jonas Weber", "jonas@example.com"),
    ("kira", "Kira Sato", "kira@example.com"),
    ("liam", "Liam Walsh", "liam@example.com"),
)
# Month by month: who earns how much. Anna climbs to gold, and the next year is a quiet one.
MONTHS = (
    ("2024-02-05T10:00:00Z", {"anna": 150, "ben": 60, "carla": 900, "dai": 20}),
    ("2024-04-11T12:30:00Z", {"anna": 240, "elif": 210, "finn": 40, "grace": 2300}),
    ("2024-06-20T17:10:00Z", {"anna": 310, "hugo": 130, "ines": 480, "ben": 190}),
    ("2024-09-02T08:45:00Z", {"anna": 260, "jonas": 75, "carla": 420, "kira": 820}),
    ("2024-11-29T19:20:00Z", {"liam": 15, "dai": 260, "elif": 90, "finn": 170}),
    ("2025-03-03T11:00:00Z", {"anna": 120, "carla": 310, "grace": 800}),
    ("2025-07-14T15:30:00Z", {"anna": 90, "ben": 40, "ines": 260, "kira": 130}),
    ("2026-01-19T09:05:00Z", {"anna": 130, "carla": 95, "hugo": 220, "dai": 310}),
)


async def fill(api: Api) -> None:
    """In a sandbox whose clock stands at 1 January 2024: two years of a club's life."""
    answer = await api.put("/api/programs/club", CLUB)
    assert answer.status == 201, answer.body
    for source_id, name, email in PEOPLE:
        profile = {"name": name, "email": email}
        assert (await api.put(f"/api/customers/{source_id}", profile)).status == 201
    for number, (at, gains) in enumerate(MONTHS):
        assert (await api.post("/api/clock", {"advance_to": at})).status == 200
        for customer, points in gains.items():
            activity = {
                "kind": "order", "customer": customer, "amount": points * 100, "points": points,
                "key": f"order-{number}-{customer}",
            }  # fmt: skip
            answer = await api.post("/api/programs/club/activities", activity)
            assert answer.status == 200, answer.body
    assert (await api.post("/api/clock", {"advance_to": "2026-05-10T10:00:00Z"})).status == 200
