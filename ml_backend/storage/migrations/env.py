"""Alembic's entry: runs the migrations on the connection that the caller opened."""

from alembic import context

from ml_backend.storage.database import Database

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Database.METADATA, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
