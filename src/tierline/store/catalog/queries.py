"""The names of the statements in `sql/catalog.sql`, and the type of what runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tierline.store.named_queries import Queries

if TYPE_CHECKING:
    from asyncpg import Connection, Record
    from asyncpg.pool import PoolConnectionProxy

    Session: TypeAlias = Connection[Record] | PoolConnectionProxy[Record]


class CatalogSql(Queries, file="catalog.sql"):
    revision: str
    raise_revision: str
    projects_since: str
    keys_since: str
    programs_since: str
    endpoints_since: str
    add_project: str
    change_project: str
    living_project: str
    project_body: str
    change_project_state: str
    begin_erasing_project: str
    end_erasing_project: str
    erasing_since: str
    program_state: str
    change_program_state: str
    delete_program: str
    delete_project: str
    delete_programs_of: str
    disable_keys_of: str
    delete_endpoints_of: str
    project_clock: str
    move_clock: str
    seal_project: str
    raise_number_floor: str
    project_secrets: str
    add_key: str
    note_uses: str
    last_uses: str
    any_key: str
    disable_key: str
    door: str
    program_row: str
    add_program: str
    raise_latest: str
    add_version: str
    latest_version: str
    versions: str
    version_request: str
    add_endpoint: str
    endpoint_row: str
    change_endpoint: str
    has_members: str
    add_audit: str
    imports_since: str
    key_row: str
    revoked_tokens: str
    revoke_token: str
    keep_digest_key: str
    digest_key: str
    reseal_project: str
    reseal_endpoint: str
    reseal_digest_key: str
