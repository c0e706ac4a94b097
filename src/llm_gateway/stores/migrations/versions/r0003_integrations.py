"""Integrated services: documents, prompts, memories, workflows, and the full-text index over the first and the third."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SQLITE_INDEX = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS search_text USING fts5("
    "scope, content, content='search_entries', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2')"
)
POSTGRES_INDEX = (
    "ALTER TABLE search_entries ADD COLUMN IF NOT EXISTS terms tsvector",
    "ALTER TABLE search_entries ALTER COLUMN terms SET STORAGE MAIN",
    "CREATE INDEX IF NOT EXISTS search_entries_terms ON search_entries USING gin (terms)",
)


def upgrade() -> None:
    op.create_table(
        "document_chunks",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=256), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("vector_model", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("entry_id"),
        if_not_exists=True,
    )
    op.create_index("document_chunks_by_owner", "document_chunks", ["owner", "entry_id"], if_not_exists=True)
    op.create_index("ix_document_chunks_document", "document_chunks", ["document"], if_not_exists=True)
    op.create_table(
        "documents",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(length=256), nullable=False),
        sa.Column("doc_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=512), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.Column("updated_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "doc_id", name="documents_by_owner"),
        if_not_exists=True,
    )
    op.create_table(
        "memories",
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=256), nullable=False),
        sa.Column("conversation_id", sa.String(length=128), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.Column("recalled_s", sa.Float(), nullable=False),
        sa.Column("recalls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id"),
        if_not_exists=True,
    )
    op.create_index("memories_by_conversation", "memories", ["owner", "conversation_id", "entry_id"], if_not_exists=True)
    op.create_index("memories_by_owner", "memories", ["owner", "entry_id"], if_not_exists=True)
    op.create_table(
        "prompts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=128), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "name", "version", name="prompts_by_owner"),
        if_not_exists=True,
    )
    op.create_table(
        "search_entries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_search_entries_scope", "search_entries", ["scope"], if_not_exists=True)
    op.create_table(
        "workflow_runs",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("commission", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("started_s", sa.Float(), nullable=False),
        sa.Column("finished_s", sa.Float(), nullable=True),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("lease_until_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
        if_not_exists=True,
    )
    op.create_index("workflow_runs_by_owner", "workflow_runs", ["owner", "run_id"], if_not_exists=True)
    op.create_index("workflow_runs_by_status", "workflow_runs", ["status", "lease_until_s"], if_not_exists=True)
    op.create_table(
        "workflow_steps",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("step_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("started_s", sa.Float(), nullable=False),
        sa.Column("took_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "step_id"),
        if_not_exists=True,
    )
    op.create_table(
        "workflows",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "name", name="workflows_by_owner"),
        if_not_exists=True,
    )
    for statement in (SQLITE_INDEX,) if op.get_context().dialect.name == "sqlite" else POSTGRES_INDEX:
        op.execute(statement)
