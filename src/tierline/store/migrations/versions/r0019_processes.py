"""What each process is, and whether it is asked to give up its work."""

from tierline.store.migrate import run_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_file("0019_processes.sql")
