"""A body for every operation that takes one, by operation and name, as people would send it."""

from __future__ import annotations

from typing import Any

_TIERS = [
    {"id": "bronze", "name": "Bronze", "from": 0, "to": 99},
    {"id": "silver", "name": "Silver", "from": 100, "to": 499},
    {"id": "gold", "name": "Gold", "from": 500},
]
_RULES = {"name": "Club", "policy": {"tiers": _TIERS, "metric": {"source": "earned"}}}
_ACTIVITY = {"key": "order-1", "customer": "ann", "kind": "earn", "points": 60}
_ORDER = {
    "kind": "order",
    "order": "1001",
    "customer": "ann",
    "as_of": "2024-03-02T10:00:00Z",
    "total": 5490,
    "paid": 5490,
    "shipping": 490,
    "items": [{"product": "mug", "quantity": 2, "amount": 5000}],
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "put_program": {"club": _RULES},
    "preview_program": {"club": _RULES},
    "propose": {"club": {**_RULES, "reason": "More for spring."}},
    "put_customer": {"ann": {"name": "Ann", "email": "ann@example.com", "birthdate": "1990-12-31"}},
    "sign_in": {"ann": {"email": "ann@example.com", "password": "correct horse battery"}},
    "join": {"ann": {"token": "inv_0", "password": "correct horse battery"}},
    "post_user": {"ann": {"email": "ann@example.com", "role": "support"}},
    "patch_user": {"support": {"role": "support"}},
    "delete_program": {"dry run": {"dry_run": True}, "for good": {"confirm": "club"}},
    "delete_project": {"dry run": {"dry_run": True}, "for good": {"confirm": "proj_old"}},
    "end_program": {"now": {}, "later": {"at": "2027-01-01T00:00:00Z"}},
    "put_member": {"now": {}, "import": {"enrolled_at": "2024-01-01T00:00:00Z"}},
    "put_override": {"gift": {"kind": "pin", "tier": "gold", "reason": "a gift"}},
    "put_attributes": {"staff": {"attributes": {"staff": True}}},
    "post_activities": {
        "one": _ACTIVITY,
        "several": [_ACTIVITY, {**_ACTIVITY, "key": "order-2"}],
        "order": _ORDER,
    },
    "post_revocation": {"one": {"token": "tat_AAECAwQFBgcICQ"}},
    "post_token": {"reader": {"scopes": ["read_customers"]}},
    "post_order": {"paid": _ORDER},
    "dry_run": {"one": _ACTIVITY, "order": _ORDER},
    "post_endpoint": {
        "standard": {"url": "https://example.com/hook", "kinds": ["upgraded", "downgraded"]}
    },
    "patch_endpoint": {"slower": {"rate_per_s": 5}},
    "rotate_endpoint": {"day": {"overlap": 86400}},
    "rewind_endpoint": {"new_year": {"since": "2024-01-01T00:00:00Z"}},
    "replay_endpoint": {
        "january": {"since": "2024-01-01T00:00:00Z", "until": "2024-02-01T00:00:00Z"}
    },
    "test_endpoint": {"upgraded": {"kind": "upgraded"}},
    "patch_project": {"name": {"name": "Shop"}},
    "post_clock": {"tomorrow": {"advance_to": "2024-01-02T00:00:00Z"}},
    "post_key": {"reader": {"scopes": ["read_customers"], "label": "reports"}},
}
