"""Who may order: a signed token names the buyer, and is valid for an hour."""

from __future__ import annotations

from flask import abort, current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

MAXIMUM_AGE_S = 3600


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="orders")


def token_for(buyer: str) -> str:
    """A token that this shop accepts."""
    return _serializer().dumps(buyer)


def buyer() -> str:
    """The buyer that the request's token names; without a valid one the answer is 401."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        if kind != "Bearer":
            raise BadSignature("no token")
        return str(_serializer().loads(token, max_age=MAXIMUM_AGE_S))
    except BadSignature:
        abort(401, "a token is needed: Authorization: Bearer …")
