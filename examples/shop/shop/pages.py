"""The pages for people: orders are seen after a login."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template_string, request, session, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from shop.extensions import database
from shop.models import Order

pages = Blueprint("pages", __name__)

LOGIN = """<!doctype html><title>Log in</title>
<form method=post><input name=buyer autofocus> <button>Log in</button></form>"""
ORDERS = """<!doctype html><title>Orders</title>
<ul>{% for order in orders %}<li>{{ order.pieces }} × {{ order.product.name }}{% endfor %}</ul>"""


@pages.get("/")
def overview() -> str | Response:
    """What the buyer has ordered."""
    if "buyer" not in session:
        return redirect(url_for("pages.login"))
    found = database.session.scalars(select(Order).filter_by(buyer=session["buyer"]))
    return render_template_string(ORDERS, orders=found.all())


@pages.route("/login", methods=["GET", "POST"])
def login() -> str | Response:
    """An example's login: any name will do."""
    if request.method == "POST" and request.form.get("buyer"):
        session["buyer"] = request.form["buyer"]
        return redirect(url_for("pages.overview"))
    return render_template_string(LOGIN)
