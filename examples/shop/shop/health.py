"""What a monitor asks."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import text

from shop.extensions import database

health = Blueprint("health", __name__, url_prefix="/health")


@health.get("")
def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@health.get("/ready")
def ready() -> dict[str, str]:
    """The database answers, too."""
    database.session.execute(text("SELECT 1"))
    return {"status": "ok", "database": "ok"}
