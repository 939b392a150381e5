"""An application is found by its address as gunicorn finds it, by gunicorn itself and by us."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gunicorn.errors import AppImportError
from gunicorn.util import import_app as import_app_of_gunicorn

SHOP = """
def app(environ, start_response):
    return []


def create_app(*positional, **named):
    def made(environ, start_response):
        return []

    made.arguments = positional, named
    return made


def needs_one(one):
    return app


def fails():
    raise TypeError("unsupported operand")


def gives_nothing():
    return None


text = "no application"
"""


@pytest.fixture
def loading(importable: Path) -> Any:
    assert importable.exists()
    return importlib.import_module("monkey_matrix_server.loading")


@pytest.fixture(params=["gunicorn", "ours"])
def import_app(request: pytest.FixtureRequest, loading: Any) -> Callable[[str], Any]:
    found: dict[str, Callable[[str], Any]] = {
        "gunicorn": import_app_of_gunicorn,
        "ours": loading.import_app,
    }
    return found[request.param]


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    (tmp_path / "closed.py").write_text("import sys; sys.exit('no SECRET_KEY')\n", encoding="utf-8")
    (tmp_path / "both.py").write_text("app = application = print\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("import not_there\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("shop", "closed", "both", "broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_name(import_app: Callable[[str], Any]) -> None:
    assert import_app("shop:app").__name__ == "app"


def test_a_factory_is_called_with_literals(import_app: Callable[[str], Any]) -> None:
    made = import_app("shop:create_app('load', 2, retry=None)")
    assert made.arguments == (("load", 2), {"retry": None})


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("shop:missing", "Failed to find attribute 'missing' in 'shop'."),
        ("shop:app.wsgi", "Failed to parse 'app.wsgi' as an attribute name or function call."),
        ("shop:def", "Failed to parse 'def' as an attribute name or function call."),
        ("shop:app.make()", "Function reference must be a simple name: 'app.make()'"),
        ("shop:create_app(x)", "Failed to parse arguments as literal values: 'create_app(x)'"),
        (
            "shop:needs_one()",
            "TypeError: needs_one() missing 1 required positional argument: 'one'",
        ),
        ("shop:gives_nothing()", "Failed to find application object: 'gives_nothing()'"),
        ("shop:text", "Application object must be callable."),
        ("shop.py:app", "Failed to find application, did you mean 'shop:app'?"),
        ("not_there:app", "No module named 'not_there'"),
        ("broken:app", "No module named 'not_there'"),
    ],
)
def test_errors_say_what_gunicorn_says(
    import_app: Callable[[str], Any], address: str, message: str
) -> None:
    with pytest.raises((ImportError, AppImportError)) as raised:
        import_app(address)
    assert str(raised.value) == message


def test_a_type_error_of_the_factory_itself_is_its_own(import_app: Callable[[str], Any]) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        import_app("shop:fails()")


@pytest.mark.parametrize(
    ("module", "full"),
    [
        ("shop", "shop:app"),
        ("both", "both:application"),
        ("os", "os:application"),
        ("both:app", "both:app"),
    ],
)
def test_a_module_alone_has_its_application_under_a_default_name(
    loading: Any, module: str, full: str
) -> None:
    assert loading.completed(module) == full


@pytest.mark.parametrize("address", ["closed", "closed:app"])
def test_an_application_that_ends_the_process_cannot_be_imported(
    loading: Any, address: str
) -> None:
    with pytest.raises(ImportError, match=r"sys\.exit\('no SECRET_KEY'\)"):
        loading.loaded(loading.import_app, address)
