"""Alembic's entry: it only ever writes the script; `tierline.store.migrate` runs it."""

from alembic import context

context.configure(
    dialect_name="postgresql",
    transactional_ddl=False,  # the caller's transaction holds the script and the installation
    output_buffer=context.config.output_buffer,
)
context.run_migrations()
