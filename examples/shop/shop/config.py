"""Settings: the defaults, the environment's, and those of a named configuration."""

from __future__ import annotations

import os

CONFIGURATIONS: dict[str, dict[str, object]] = {
    "default": {},
    # What is measured is the shop, not how fast it refuses.
    "load": {"SEARCHES": "100000 per minute"},
    "test": {"TESTING": True, "SQLALCHEMY_DATABASE_URI": "sqlite://"},
}


def settings(name: str | None) -> dict[str, object]:
    """All settings of the configuration of that name; without a key there is no shop."""
    return {
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "SQLALCHEMY_DATABASE_URI": os.environ.get("DATABASE_URL", "sqlite:///shop.db"),
        "SEARCHES": "20 per minute",
        "RATELIMIT_STORAGE_URI": os.environ.get("REDIS_URL", "memory://"),
        "STOCK_SECONDS": float(os.environ.get("STOCK_SECONDS", "0.05")),
        **CONFIGURATIONS[name or "default"],
    }
