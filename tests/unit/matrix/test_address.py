"""An application's address means what gunicorn reads in it."""

from __future__ import annotations

import pytest

from runner.matrix.address import Address, address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop", Address(module="shop", names=("application", "app"))),
        ("shop.wsgi:app", Address(module="shop.wsgi", names=("app",))),
        ("pygeoapi.flask_app:APP", Address(module="pygeoapi.flask_app", names=("APP",))),
        ("my-shop:app", Address(module="my-shop", names=("app",))),
        ("shop:create()", Address(module="shop", names=("create",), arguments="()")),
        (
            "shop:create('load', -1, debug=True, hosts=['a:1', None])",
            Address(
                module="shop",
                names=("create",),
                arguments="('load', -1, debug=True, hosts=['a:1', None])",
            ),
        ),
        (r"shop:create('\d')", Address(module="shop", names=("create",), arguments=r"('\\d')")),
    ],
)
def test_what_gunicorn_takes_is_taken(text: str, expected: Address) -> None:
    assert address(text) == expected


def test_without_a_name_there_are_two_to_try() -> None:
    found = address("shop.wsgi")
    assert found.candidates == ("shop.wsgi:application", "shop.wsgi:app")
    assert (str(found), found.is_factory) == ("shop.wsgi", False)


def test_a_factory_is_given_to_gunicorn_with_its_arguments() -> None:
    found = address('shop:create( "load" )')
    assert (str(found), found.is_factory) == ("shop:create('load')", True)
    assert found.candidates == ("shop:create('load')",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["names no module", "`module:name`"]),
        (":app", ["names no module", "`module:name`"]),
        ("shop/wsgi.py:app", ["is a file", "`shop.wsgi:app`", "`chdir:`"]),
        ("wsgi.py:app", ["is a file", "`wsgi:app`"]),
        ("./wsgi.py", ["is a file", "`wsgi`"]),
        ("src/shop", ["is a file", "`src.shop`"]),
        (".wsgi:app", ["relative", "leading dot"]),
        ("shop..wsgi:app", ["not a module's name", "`module:name`"]),
        ("shop :app", ["not a module's name"]),
        ("shop:", ["no name after the colon", "`create_app('load')`"]),
        ("shop: app", ["neither a name nor a call", "`app`"]),
        ("shop:create(", ["neither a name nor a call", "`create_app('load')`"]),
        ("shop:app = 1", ["neither a name nor a call"]),
        ("shop:a\0", ["neither a name nor a call"]),
        ("shop:" + "-" * 100_000 + "1", ["neither a name nor a call"]),
        ("shop:app.wsgi_app", ["plain name", "'app.wsgi_app'", "assign that"]),
        ("shop:api.create()", ["plain name", "'api.create'", "assign that"]),
        ("shop:create()()", ["neither a name nor a call"]),
        ("shop:apps[0]", ["neither a name nor a call"]),
        ("shop:'app'", ["neither a name nor a call"]),
        ("shop:create(config)", ["must be literals", "create(config)"]),
        ("shop:create(a=open('x'))", ["must be literals"]),
        ("shop:create(*[1])", ["must be literals"]),
        ("shop:create(**{'a': 1})", ["must be literals"]),
        ("shop:create({[]})", ["must be literals"]),
    ],
)
def test_what_gunicorn_refuses_has_a_remedy(text: str, words: list[str]) -> None:
    with pytest.raises(ValueError, match=words[0]) as caught:
        address(text)
    assert [word for word in words if word not in str(caught.value)] == []


def test_reading_an_address_runs_nothing() -> None:
    with pytest.raises(ValueError, match="literals"):
        address("shop:create(__import__('os').abort())")
