"""Access tokens are revoked."""

from tierline.store.migrate import run_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_file("0014_revoked_tokens.sql")
