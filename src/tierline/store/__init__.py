"""The only place with SQL: schema, migrations, named queries, and the embedded PostgreSQL."""
