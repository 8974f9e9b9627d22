"""The first tables.

Why: Roomtone starts.
Still readable by: every release.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "aliases",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("written", sa.Text(), nullable=False),
        sa.Column("meant_key", sa.Text(), nullable=True),
        sa.Column("meant", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_aliases")),
    )
    op.create_table(
        "authors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("opted_out", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("counted_from", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authors")),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_authors_pseudonym")),
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("private", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.Column("gone", sa.Text(), nullable=True),
        sa.Column("gone_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["channels.id"], name=op.f("fk_channels_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("platform", "workspace", "key", name=op.f("uq_channels_platform_workspace_key")),
    )
    op.create_table(
        "entities",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entities")),
        sa.UniqueConstraint("key", name=op.f("uq_entities_key")),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("channel", sa.LargeBinary(), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("revised_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("identity", name=op.f("uq_inbox_identity")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_subject", "inbox", ["subject"], unique=False)
    op.create_table(
        "installation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
    )
    op.create_table(
        "reasons",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reasons")),
        sa.UniqueConstraint("name", name=op.f("uq_reasons_name")),
    )
    op.create_table(
        "clearings",
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("emoji", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_clearings_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", "key", "emoji", name=op.f("pk_clearings")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reactions",
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("emoji", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["authors.id"], name=op.f("fk_reactions_author_id")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_reactions_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", "key", "author_id", "emoji", name=op.f("pk_reactions")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reactions_author_id", "reactions", ["author_id"], unique=False)
    op.create_table(
        "rollups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("home_id", sa.Integer(), nullable=False),
        sa.Column("span", sa.SmallInteger(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("about", sa.Integer(), nullable=False),
        sa.Column("tallies", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["home_id"], ["channels.id"], name=op.f("fk_rollups_home_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollups")),
        sa.UniqueConstraint("home_id", "span", "end", "about", name=op.f("uq_rollups_home_id_span_end_about")),
    )
    op.create_table(
        "surfaces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["entity_id"], ["entities.id"], name=op.f("fk_surfaces_entity_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surfaces")),
        sa.UniqueConstraint("text", name=op.f("uq_surfaces_text")),
    )
    op.create_index(op.f("ix_surfaces_entity_id"), "surfaces", ["entity_id"], unique=False)
    op.create_table(
        "threads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_threads_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_threads")),
        sa.UniqueConstraint("channel_id", "key", name=op.f("uq_threads_channel_id_key")),
    )
    op.create_table(
        "readings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("home_id", sa.Integer(), nullable=True),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("revised_at", sa.BigInteger(), nullable=True),
        sa.Column("thread_id", sa.Integer(), nullable=True),
        sa.Column("from_bot", sa.Boolean(), nullable=True),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("label", sa.SmallInteger(), nullable=True),
        sa.Column("negative", sa.SmallInteger(), nullable=True),
        sa.Column("neutral", sa.SmallInteger(), nullable=True),
        sa.Column("positive", sa.SmallInteger(), nullable=True),
        sa.CheckConstraint(
            "deleted OR (author_id IS NOT NULL AND sent_at IS NOT NULL)", name=op.f("ck_readings_whole")
        ),
        sa.ForeignKeyConstraint(["author_id"], ["authors.id"], name=op.f("fk_readings_author_id")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_readings_channel_id")),
        sa.ForeignKeyConstraint(["home_id"], ["channels.id"], name=op.f("fk_readings_home_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_readings_model_id")),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name=op.f("fk_readings_thread_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
        sa.UniqueConstraint("channel_id", "key", name=op.f("uq_readings_channel_id_key")),
    )
    op.create_index("ix_readings_author_id", "readings", ["author_id"], unique=False)
    op.create_index("ix_readings_sent_at", "readings", ["home_id", "sent_at"], unique=False)
    op.create_index(
        "ix_readings_thread",
        "readings",
        ["home_id", "sent_at", "thread_id"],
        unique=False,
        sqlite_where=sa.text("thread_id IS NOT NULL"),
    )
    op.create_table(
        "spellings",
        sa.Column("home_id", sa.Integer(), nullable=False),
        sa.Column("surface_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["home_id"], ["channels.id"], name=op.f("fk_spellings_home_id")),
        sa.ForeignKeyConstraint(["surface_id"], ["surfaces.id"], name=op.f("fk_spellings_surface_id")),
        sa.PrimaryKeyConstraint("home_id", "surface_id", "kind", name=op.f("pk_spellings")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mentions",
        sa.Column("reading_id", sa.Integer(), nullable=False),
        sa.Column("surface_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.Integer(), nullable=False),
        sa.Column("home_id", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["entity_id"], ["entities.id"], name=op.f("fk_mentions_entity_id")),
        sa.ForeignKeyConstraint(["home_id"], ["channels.id"], name=op.f("fk_mentions_home_id")),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"], name=op.f("fk_mentions_reading_id")),
        sa.ForeignKeyConstraint(["surface_id"], ["surfaces.id"], name=op.f("fk_mentions_surface_id")),
        sa.PrimaryKeyConstraint("reading_id", "surface_id", "kind", name=op.f("pk_mentions")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_mentions_entity", "mentions", ["entity_id", "home_id", "sent_at"], unique=False)
