"""Customers are erased."""

from tierline.store.migrate import run_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_file("0010_erasure.sql")
