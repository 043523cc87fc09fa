"""A topic: the narrowest part of a shard's log that has everything an endpoint hears."""

from __future__ import annotations

from tierline.endpoints.compiled_endpoint import CompiledEndpoint
from tierline.store.catalog.catalog import Catalog

Topic = tuple[int, int]  # project, program (0: all of them)


def topic_of(compiled: CompiledEndpoint, catalog: Catalog) -> Topic:
    project, programs = compiled.row.project, compiled.endpoint.programs
    if len(programs) != 1 or compiled.ops_kinds:
        return project, 0
    numbers = (
        row.number for row in catalog.programs(project, deleted=True) if row.id == programs[0]
    )
    return project, next(numbers, 0)
