"""Why somebody is not let in."""

from __future__ import annotations

from tierline.errors import Forbidden, TierlineError, Unauthorized


class SignInFailed(TierlineError):
    """The address or the password is wrong, or the user is disabled; try again, or ask whoever
    invited you for a new link."""

    code = "sign_in_failed"
    status = 401


class TooManyAttempts(TierlineError):
    """There were too many attempts to sign in; try again in {retry_after} seconds."""

    code = "too_many_attempts"
    status = 429


class LinkInvalid(TierlineError):
    """The link was used, has expired, or was never made; ask for a new one."""

    code = "link_invalid"
    status = 410


class SessionNeeded(TierlineError):
    """Only a session can do it; sign in, and send its cookie without a key."""

    code = "session_needed"
    status = 403


class SessionEnded(Unauthorized):
    """The session has ended, or there never was one; sign in again."""


class ProjectNeeded(TierlineError):
    """You are in several projects, or in none; name one of {projects} in `Tierline-Project`."""

    code = "project_needed"
    status = 400


class ForgeryRefused(TierlineError):
    """A change by a session needs `X-CSRF-Token` with the `csrf_token` of GET /api/session, and
    must come from this server's own pages."""

    code = "forgery_refused"
    status = 403


class NotInvited(TierlineError):
    """The provider's user is nobody who was invited here by an address that it has verified, or the
    sign-in was begun elsewhere or too long ago; begin again, or ask to be invited."""

    code = "not_invited"
    status = 403


class ProviderFailed(TierlineError):
    """The OpenID provider failed: {reason}; try again, or look at its log."""

    code = "provider_failed"
    status = 502


class BeyondYourReach(Forbidden):
    """The user has roles in other projects, or may do more than you; ask somebody who may do as
    much, or use the command line."""
