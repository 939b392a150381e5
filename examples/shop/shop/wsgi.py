"""What a server or `flask --app shop.wsgi` is given."""

from shop import create_app

__all__ = ["create_app"]
