"""Commands: `flask --app shop.wsgi token`, and `shop token` where the project is installed."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import FlaskGroup, with_appcontext

from shop.tokens import token_for


@click.command("token")
@click.option("--buyer", default="somebody", show_default=True)
@with_appcontext
def token(buyer: str) -> None:
    """Print the value of `Authorization` with which a buyer orders."""
    click.echo(f"Bearer {token_for(buyer)}")


def register(application: Flask) -> None:
    """Give an application its commands."""
    application.cli.add_command(token)


def main() -> None:
    """The program `shop`."""
    from shop import create_app

    FlaskGroup(create_app=create_app)()
