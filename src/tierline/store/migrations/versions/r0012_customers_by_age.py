"""Customers are listed by when they were made."""

from tierline.store.migrate import run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_file("0012_customers_by_age.sql")
