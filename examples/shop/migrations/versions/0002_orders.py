"""What was ordered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    """Make the table."""
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("product.id"), nullable=False),
        sa.Column("pieces", sa.Integer, nullable=False),
        sa.Column("buyer", sa.String(80), nullable=False),
        sa.Column("placed_at", sa.DateTime, nullable=False),
    )


def downgrade():
    """Remove it."""
    op.drop_table("orders")
