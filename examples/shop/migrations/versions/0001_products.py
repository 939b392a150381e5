"""What is sold."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ASSORTMENT = ("pencil", "rubber", "ruler", "notebook", "compasses", "pencil sharpener")


def upgrade():
    """Make the table, and fill it."""
    product = op.create_table(
        "product",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sku", sa.Integer, nullable=False, unique=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("price", sa.Integer, nullable=False),
    )
    op.bulk_insert(
        product,
        [
            {"sku": number, "name": name, "price": 50 * number}
            for number, name in enumerate(ASSORTMENT, start=1)
        ],
    )


def downgrade():
    """Remove it."""
    op.drop_table("product")
