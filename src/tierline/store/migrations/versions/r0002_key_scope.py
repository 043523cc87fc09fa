"""Keys belong to a customer in a program."""

from tierline.store.migrate import run_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_file("0002_key_scope.sql")
