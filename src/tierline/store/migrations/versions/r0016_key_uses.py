"""Keys show how they begin, and when they were used last."""

from tierline.store.migrate import run_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_file("0016_key_uses.sql")
