"""The versions of the schema, as alembic runs them (see `stores.schema`)."""
