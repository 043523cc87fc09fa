"""Names are one namespace."""

from tierline.store.migrate import run_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_file("0003_names.sql")
