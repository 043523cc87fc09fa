"""The one family of errors: a stable code, the field's path, and a sentence that says what to do.

A class's docstring is its sentence; facts go in as keywords and are named in braces. The HTTP
status is a hint for the edge. Nothing here is vendor specific.
"""

from __future__ import annotations

from typing import Any, ClassVar


class TierlineError(Exception):
    """Something went wrong inside Tierline; the log has the details."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, *, path: str | None = None, **facts: Any) -> None:
        self.path = path  # where in the request: `activities[3].points`
        self.facts = facts
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        text = " ".join((type(self).__doc__ or "").split())
        try:
            return text.format(**self.facts)
        except (KeyError, IndexError):
            return text


class Invalid(TierlineError):
    """{reason}"""

    code = "invalid"
    status = 400


class NotFound(TierlineError):
    """There is no {what} {name!r} here; check the id, or create it first."""

    code = "not_found"
    status = 404


class NoSuchRecord(NotFound):
    """There is no {what} {name!r} here; check the id, it is only made by what happens."""


class Conflict(TierlineError):
    """{reason}"""

    code = "conflict"
    status = 409


class KeyReused(TierlineError):
    """The key {key!r} was already used for another body; send a new key, or the same body."""

    code = "key_reused"
    status = 409


class Refused(TierlineError):
    """{reason}"""

    code = "refused"
    status = 422


class InsufficientPoints(TierlineError):
    """The member has {balance} points, fewer than the {needed} asked for."""

    code = "insufficient_points"
    status = 422


class NotAMember(TierlineError):
    """Customer {customer!r} is not a member of program {program!r}; enrol them first, or turn
    on the program's auto_join."""

    code = "not_a_member"
    status = 422


class NotYetAMember(NotAMember):
    """Customer {customer!r} is not a member of program {program!r} yet; enrol them first, or send
    an activity that makes a member (earn, order, custom)."""


class LeftTheProgram(NotAMember):
    """Customer {customer!r} has left program {program!r}; auto_join brings nobody back, so enrol
    them again."""


class NotAMemberThen(NotAMember):
    """Customer {customer!r} was not a member of program {program!r} at {at}; ask for an instant
    after they joined."""


class TooMany(TierlineError):
    """A member holds at most {limit} {what}; take some away, or let them end, before more come."""

    code = "too_many"
    status = 422


class UnknownOriginal(TierlineError):
    """There is no activity {of!r} of this member to take back (yet); send it first, then retry."""

    code = "unknown_original"
    status = 409


class NoOriginalAnywhere(UnknownOriginal):
    """There is no activity {of!r} in this program (yet); send it first, then retry."""


class AmbiguousOriginal(TierlineError):
    """Several customers have an activity {of!r} in this program: {customers}; name the one that
    is meant as `customer`."""

    code = "ambiguous_of"
    status = 409


class Unauthorized(TierlineError):
    """The key is missing, unknown or disabled; send `Authorization: Bearer KEY`."""

    code = "unauthorized"
    status = 401


class Forbidden(TierlineError):
    """The key lacks the scope {scope!r}; use a key that holds it."""

    code = "forbidden"
    status = 403


class TooLarge(TierlineError):
    """The {what} is larger than {limit}; send less at once."""

    code = "too_large"
    status = 413


class Busy(TierlineError):
    """The server is at its limit of queued work; retry after the seconds in Retry-After."""

    code = "busy"
    status = 503
