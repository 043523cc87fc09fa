"""The API's reference: every operation, its types, and calls that are real ones."""

from __future__ import annotations

import json
from html import unescape

from tests.console.visitor import Visitor, signed_in, text_of
from tests.web.conftest import Api
from tierline.console.reference import reference, type_text
from tierline.web.asgi import OPERATIONS


def test_every_operation_is_in_it() -> None:
    views = [view for _, _, operations in reference().groups for view in operations]
    assert {(v.method, v.path) for v in views} == {(o.method, o.path) for o in OPERATIONS}
    assert len({view.id for view in views}) == len(views)
    preview = reference().find("preview_program")
    assert [field.name for field in preview.parameters] == ["program"]
    assert {"PreviewBody", "Policy"} <= {schema.name for schema in preview.schemas}


def test_types_are_words() -> None:
    for schema, text in (
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Tier"}}, "array of Tier"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        ({}, "anything"),
    ):
        assert type_text(schema) == text


async def test_an_operation_is_tried(shop: Api, maya: Visitor) -> None:
    """As whoever is signed in, with what they may; refusals are answers."""
    index = unescape(text_of(await maya.page("/reference")))
    assert "GET /api/programs/{program} A program's rules" in index
    await maya.page("/reference/none", 404)
    where = {"path.program": "club", "path.source_id": "anna"}
    answer = await maya.send("/reference/get_member", where)
    text = unescape(answer.body.decode())
    assert answer.status == 200
    assert '"id": "silver"' in text
    body = json.dumps({"kind": "adjust", "customer": "anna", "points": 3, "key": "tried"})
    tried = await maya.send("/reference/post_activities", {"path.program": "club", "body": body})
    assert tried.status == 200, tried.body
    again = await shop.post("/api/programs/club/activities", json.loads(body))
    assert again.json["repeated"] is True
    for fields, reason in (
        ({"path.program": "none", "path.source_id": "anna"}, '"code": "not_found"'),
        ({"path.program": "club"}, "source_id: it is needed."),
    ):
        refused = await maya.send("/reference/get_member", fields)
        assert reason in unescape(refused.body.decode())
    broken = await maya.send("/reference/put_program", {"path.program": "club", "body": "{"})
    assert "it is no JSON" in unescape(broken.body.decode())
    viewer = await signed_in(shop, "vera@example.com", "viewer")
    forbidden = await viewer.send("/reference/put_program", {"path.program": "x", "body": "{}"})
    assert '"code": "forbidden"' in unescape(forbidden.body.decode())
    assert (await maya.send("/reference/sign_in", {})).status == 400
