"""What hosted inference has used, and since when its token is known.

Why: a budget holds across restarts and for all processes together, and an old token is pointed out.
Still readable by: every release; older ones leave both tables alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hosted_use",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("problem_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_hosted_use")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hosted_tokens",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_hosted_tokens")),
        sqlite_with_rowid=False,
    )
