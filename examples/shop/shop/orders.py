"""POST /orders: reserve at the warehouse, then write the order down."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, request
from sqlalchemy import select

from shop import stock
from shop.extensions import database
from shop.models import Order, Product
from shop.tokens import buyer

orders = Blueprint("orders", __name__, url_prefix="/orders")


@orders.post("")
def place() -> tuple[dict[str, object], int]:
    """Place an order, `{"sku": 1, "pieces": 2}`."""
    name = buyer()
    wanted = request.get_json()
    product = database.session.scalar(select(Product).filter_by(sku=wanted.get("sku")))
    if product is None:
        abort(404, "there is no such product")
    # Nothing may be open in the database while somebody else is waited for.
    key, pieces = product.id, int(wanted.get("pieces", 1))
    database.session.rollback()
    stock.reserve(current_app.config["STOCK_SECONDS"])
    order = Order(product_id=key, pieces=pieces, buyer=name)
    database.session.add(order)
    database.session.commit()
    return order.as_json(), 201


@orders.get("/<int:number>")
def show(number: int) -> dict[str, object]:
    """One order, for the one who placed it."""
    name = buyer()
    order = database.get_or_404(Order, number)
    if order.buyer != name:
        abort(403, "this is somebody else's order")
    return order.as_json()
