"""What Alembic runs: the caller (`tieline.storage.migrate`) hands over a connection that is in its own transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
