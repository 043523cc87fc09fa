"""Roles: sets of scopes that a person has in a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from tierline.errors import Invalid
from tierline.store.catalog.keys import SCOPES

Role = Literal["viewer", "support", "manager", "admin"]
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "viewer": frozenset({"read_customers", "read_programs"}),
    "support": frozenset({"read_customers", "write_customers", "read_programs"}),
    "manager": frozenset(SCOPES)
    - {"manage_keys", "erase_customers", "delete_programs", "delete_project"},
    "admin": frozenset(SCOPES),
}
assert set(get_args(Role)) == set(ROLES)
EVERYWHERE: Final = "*"  # stands for every project, those that are made later too

Grants = dict[str, str]  # a project's id, or EVERYWHERE -> a role


def role_in(grants: Mapping[str, str], project: str) -> str | None:
    """Returns the role that somebody has in a project: its own, else that of every project."""
    return grants.get(project, grants.get(EVERYWHERE))


def scopes_in(grants: Mapping[str, str], project: str) -> frozenset[str]:
    """Returns what somebody may do in a project."""
    return ROLES.get(role_in(grants, project) or "", frozenset())


def checked_role(role: str) -> str:
    """Raises Invalid where there is no such role."""
    if role not in ROLES:
        reason = f"There is no role {role!r}; known are {', '.join(ROLES)}."
        raise Invalid(path="role", reason=reason)
    return role
