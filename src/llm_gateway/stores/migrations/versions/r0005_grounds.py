"""What records of requests have in common, kept once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_grounds",
        sa.Column("process", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("process", "number"),
        if_not_exists=True,
    )
    op.create_index("request_grounds_by_time", "request_grounds", ["at_us"], if_not_exists=True)
    context = op.get_context()
    if context.dialect.name == "postgresql":
        op.execute("ALTER TABLE requests ADD COLUMN IF NOT EXISTS grounds BIGINT")
    elif context.as_sql or "grounds" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("requests")}:
        op.add_column("requests", sa.Column("grounds", sa.BigInteger(), nullable=True))
