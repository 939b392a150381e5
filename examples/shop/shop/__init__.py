"""A small shop, as an example of an application to measure."""

from __future__ import annotations

from flask import Flask
from werkzeug.exceptions import HTTPException

from shop import cli
from shop.catalogue import catalogue
from shop.config import settings
from shop.extensions import database, limiter, migrate
from shop.health import health
from shop.orders import orders
from shop.pages import pages


def create_app(config: str | None = None) -> Flask:
    """The application in a configuration of `shop.config`."""
    application = Flask(__name__)
    application.config.update(settings(config))
    database.init_app(application)
    migrate.init_app(application, database)
    limiter.init_app(application)
    for blueprint in (orders, catalogue, pages, health):
        application.register_blueprint(blueprint)
    application.register_error_handler(HTTPException, _problem)
    cli.register(application)
    return application


def _problem(error: HTTPException) -> tuple[dict[str, object], int]:
    """An error as JSON, for clients that are programs."""
    return {"error": error.description}, error.code or 500
