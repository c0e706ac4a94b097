"""How alembic runs here: on the connection that it is given, or, for SQL to read, on none."""

from alembic import context

given = context.config.attributes

if context.is_offline_mode():
    context.configure(dialect_name=given["dialect"], literal_binds=True)
else:
    context.configure(connection=given["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
