"""A project that is being erased is known as such."""

from tierline.store.migrate import run_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_file("0017_erasing.sql")
