"""What is sold."""

from __future__ import annotations

from flask import Blueprint, current_app, request
from sqlalchemy import select

from shop.extensions import database, limiter
from shop.models import Product

catalogue = Blueprint("catalogue", __name__, url_prefix="/catalogue")


@catalogue.get("")
def everything() -> list[dict[str, object]]:
    """All products."""
    products = database.session.scalars(select(Product).order_by(Product.sku))
    return [product.as_json() for product in products]


@catalogue.get("/search")
@limiter.limit(lambda: current_app.config["SEARCHES"])
def search() -> list[dict[str, object]]:
    """Products with a word in their name; a client may search only so often."""
    word = request.args.get("word", "")
    found = database.session.scalars(select(Product).where(Product.name.icontains(word)))
    return [product.as_json() for product in found]
