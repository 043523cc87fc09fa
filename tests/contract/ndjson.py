"""Answers of many lines, for schemathesis: each line is held against the schema of its stream.

Loaded by schemathesis in the tools' environment (`SCHEMATHESIS_HOOKS`), nowhere else.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import schemathesis

NDJSON = "application/x-ndjson"


def ndjson_lines(_context: Any, response: Any, case: Any) -> None:
    """Raises AssertionError for a line that the document does not foresee."""
    content_type = (response.headers.get("content-type") or [""])[0].partition(";")[0]
    if content_type != NDJSON:
        return
    root = case.operation.schema.raw_schema
    responses = case.operation.definition.raw["responses"]
    schema = responses[str(response.status_code)]["content"][NDJSON]["schema"]
    whole = {**schema, "components": root["components"]}
    validator = jsonschema.Draft202012Validator(whole)
    for line in response.text.splitlines():
        errors = [error.message for error in validator.iter_errors(json.loads(line))]
        assert not errors, f"{line[:300]}: {errors[:3]}"


schemathesis.check(ndjson_lines)
