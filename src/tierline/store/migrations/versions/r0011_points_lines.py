"""Changes of points are numbered in one order for a whole program."""

from tierline.store.migrate import run_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_file("0011_points_lines.sql")
