"""Vendors' durations say from where they are renewed."""

from tierline.store.migrate import run_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_file("0006_vendor_renewal.sql")
