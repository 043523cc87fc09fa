"""Changes of programs that a second person approves."""

from tierline.store.migrate import run_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_file("0018_change_requests.sql")
