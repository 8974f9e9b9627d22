"""The other ids that a channel has had.

Why: a channel whose platform gives it a new id stays one channel; nothing is carried over, for until now it was two.
Still readable by: this release and newer ones. An older one would count twice what is told again of a former id.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channels", sa.Column("moved_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "former",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_former_channel_id")),
        sa.PrimaryKeyConstraint("platform", "workspace", "key", name=op.f("pk_former")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_former_channel_id"), "former", ["channel_id"])
