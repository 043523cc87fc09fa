"""Why a copy does not begin, or does not end."""

from __future__ import annotations

from tierline.errors import TierlineError


class TargetInUse(TierlineError):
    """The database at {where} holds an installation already; copy into an empty or freshly migrated
    one, or into one that an interrupted copy of this same source left."""

    code = "copy_target_in_use"
    status = 409


class SourceChanged(TierlineError):
    """The source was written to since this copy began ({what}), so the two no longer agree. Keep
    all servers and imports stopped, drop the target database, and copy anew."""

    code = "copy_source_changed"
    status = 409


class ReplaysUnfinished(TierlineError):
    """Replays are under way for the endpoints {endpoints}; let them finish or end them first, or
    leave them behind with --end-replays."""

    code = "copy_replays_unfinished"
    status = 409


class CopyInterfered(TierlineError):
    """Another copy writes into the same database; let one of them finish."""

    code = "copy_interfered"
    status = 409


class CopyDiffers(TierlineError):
    """The copy of {table} is not what the source holds ({source} rows there, {copy} here, or other
    content). The target stays closed: drop it, and copy anew."""

    code = "copy_differs"
    status = 500
