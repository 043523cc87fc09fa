"""What an operator may set about sending; endpoints' own settings are in their rows."""

from __future__ import annotations

from msgspec import Struct

from tierline.store.heartbeat import BEAT_MS, DEAD_MS


class SenderSettings(Struct, frozen=True):
    roles: str = "sender"  # what this process does, as its signs of life name it
    slots: int = 512  # requests in flight in this process
    allow: tuple[str, ...] = ()  # CIDR blocks where endpoints may live, plain http included
    proxy: str | None = None  # for endpoints without one of their own; trusted
    sole: bool = False  # no other process can be alive (embedded data directory)
    poll_ms: int = 250  # the fallback when no wake-up arrives
    flush_ms: int = 10  # how long settled deliveries wait to be written together
    flush_most: int = 256  # … unless so many wait
    beat_ms: int = BEAT_MS
    dead_ms: int = DEAD_MS
    handover_ms: int = 1_500  # a process that joins lets living owners end in order for so long
    give_way_ms: int = 1_000  # what holds the mark for so long becomes a lane
    give_way_full_ms: int = 50  # … and so soon when the window is full
    probe_again_ms: int = 60_000  # a failed probe's event waits, so that the next is another one
    lanes_max: int = 1_000  # retrying lanes of an endpoint, then its cursor stops
    idle_write_ms: int = 30_000  # how often a mark that only skipped is written
    attempts_kept_s: int = 30 * 86_400
    attempt_texts_kept_s: int | None = 7 * 86_400  # what was sent and answered; None: as the row
    profiles_kept_s: int | None = None  # customers in events; None: as long as the event
    audit_kept_s: int | None = None  # lines of the audit log; None: for ever
    events_kept_s: int | None = None  # how long the log is kept; None: for ever
    retention_s: int = 3_600  # how often what is older is looked for
    stop_ms: int = 10_000  # how long `stop` waits for requests in flight
