"""An open transaction -> the same, with all migrations that it lacked. Alembic runs this file; `alerts.ledger.migrating.migrate` calls it."""

from __future__ import annotations

from alembic import context

from alerts.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column by making the table anew
)
with context.begin_transaction():
    context.run_migrations()
