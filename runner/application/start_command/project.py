"""What pyproject.toml says of how an application is started."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from runner.application.start_command.found import Found
from runner.application.start_command.modules import address_of
from runner.application.toml_file import line_of, table

NAME = "pyproject.toml"


def flask_app_of_project(root: Path) -> Found[str] | None:
    """`app` in the table `tool.flask`."""
    app = table(_content(root), "tool", "flask").get("app")
    return _found(root, app) if isinstance(app, str) and app else None


def module_of_scripts(root: Path) -> Found[str] | None:
    """The application in the module of a console script of the project."""
    content = _content(root)
    scripts = {
        **table(content, "project", "scripts"),
        **table(content, "tool", "poetry", "scripts"),
    }
    for script in scripts.values():
        module = script.partition(":")[0] if isinstance(script, str) else ""
        if module and (app := address_of(root, root, module)):
            return Found(value=app.value, place=_found(root, script).place)
    return None


def _content(root: Path) -> dict[str, Any]:
    """The file, empty where there is none that can be read."""
    try:
        return tomllib.loads((root / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _found(root: Path, value: str) -> Found[str]:
    text = (root / NAME).read_text(encoding="utf-8")
    return Found(value=value, place=NAME + line_of(text, value))
