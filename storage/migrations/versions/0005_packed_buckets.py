"""Every entity of a past bucket in one row, and every mention of a past day.

Why: the entities of a year are a dozen rows then; nothing is carried over, a question packs what it reads.
Still readable by: this release and newer ones. An older one would change a bucket and leave what is packed of it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollups_packed",
        sa.Column("home_id", sa.Integer(), nullable=False),
        sa.Column("span", sa.SmallInteger(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("people", sa.LargeBinary(), nullable=False),
        sa.Column("sums", sa.LargeBinary(), nullable=False),
        sa.Column("mentions", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["home_id"], ["channels.id"], name=op.f("fk_rollups_packed_home_id")),
        sa.PrimaryKeyConstraint("home_id", "span", "end", name=op.f("pk_rollups_packed")),
    )
