"""Orders of a project are listed by numbers that only rise."""

from tierline.store.migrate import run_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_file("0014_order_numbers.sql")
