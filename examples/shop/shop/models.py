"""The tables: what is sold, and what was ordered."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shop.extensions import database


class Product(database.Model):
    """Something in the catalogue; the price is in cents."""

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[int] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(String(80))
    price: Mapped[int]

    def as_json(self) -> dict[str, object]:
        """What a client sees of it."""
        return {"sku": self.sku, "name": self.name, "price": self.price}


class Order(database.Model):
    """An order of some pieces of one product."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    pieces: Mapped[int]
    buyer: Mapped[str] = mapped_column(String(80))
    placed_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    product: Mapped[Product] = relationship()

    def as_json(self) -> dict[str, object]:
        """What a client sees of it."""
        return {
            "order": self.id,
            "sku": self.product.sku,
            "pieces": self.pieces,
            "total": self.pieces * self.product.price,
        }
