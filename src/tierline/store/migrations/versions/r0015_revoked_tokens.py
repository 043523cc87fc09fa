"""Access tokens are revoked."""

from tierline.store.migrate import run_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_file("0015_revoked_tokens.sql")
