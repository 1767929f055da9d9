"""Alembic's entry: runs the revisions on the connection that postgres.migrate hands over."""

from alembic import context

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("run the migrations by `python -m postgres.migrate`, which connects and makes the roles first")

context.configure(connection=connection, target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
