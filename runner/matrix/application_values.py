"""Values of the sections about an application: a `ValueError` says what is wrong with the text."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from typing import Final

from packaging.utils import canonicalize_name

from runner.matrix import plugins
from runner.matrix.interpolation import references
from runner.matrix.yaml_document import Plain, Quoted
from runner.text import suggestion

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: Headers that say how a message is sent: the sender decides them.
OF_THE_CLIENT: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
WORDS: Final = {"true": True, "false": False}


def text(value: str) -> str:
    """Text with something in it."""
    if not value.strip():
        raise ValueError("nothing is written here; write it, or remove the line")
    return without_nul(value)


def without_nul(value: str) -> str:
    """Text that can be passed to a program."""
    if "\0" in value:
        raise ValueError("a NUL character cannot be passed to any program; remove it")
    return value


def inside(value: str) -> str:
    """A path or a glob that stays in the application's source."""
    normal = posixpath.normpath(text(value))
    if normal.startswith("/") or normal.split("/")[0] == "..":
        raise ValueError(
            f"{value!r} is not in the source: write a path relative to `source:`, without `..`"
        )
    return normal


def container_path(value: str) -> str:
    """The absolute path of a file in the container."""
    normal = posixpath.normpath(text(value))
    if not normal.startswith("/") or value.endswith("/") or normal.strip("/") == "":
        raise ValueError(f"{value!r} is not the absolute path of a file, e.g. /etc/shop.yml")
    return re.sub("^/+", "/", normal)


def group_name(value: str) -> str:
    """The normalised name of a dependency group or an extra."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", value):
        raise ValueError(f"{value!r} is not the name of a group or an extra")
    return str(canonicalize_name(value))


def debian_package(value: str) -> str:
    """The name of a package of Debian."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", value):
        raise ValueError(f"{value!r} is not the name of a Debian package, e.g. libmagic1")
    return value


def variable_name(value: str) -> str:
    """The name of an environment variable."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError(
            f"{value!r} is not the name of a variable: use letters, digits and '_', no digit first"
        )
    return value


def variable_value(value: object) -> str:
    """The value of an environment variable, with references to the host's that are understood."""
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic's way
            "a text is expected here; `''` is an empty one, and `${NAME}` the host's variable"
        )
    references(value)
    return without_nul(value)


def gunicorn_config(value: str) -> str:
    """A file, `python:module`, or `none`."""
    kind, _, module = text(value).partition(":")
    if kind == "python" and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module):
        raise ValueError(f"{value!r} names no module: write `python:config.gunicorn`, or a file")
    return value


def arguments(value: object) -> object:
    """Arguments of a command: a text is split as a shell does it, a list is taken as it is."""
    return shlex.split(value) if isinstance(value, str) else value


def worker_class(value: str) -> str:
    """The dotted path of a class."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value):
        raise ValueError(
            f"{value!r} is not the path of a class, `package.module.Class`; gunicorn's own workers "
            "are servers (`server: gunicorn-gevent`)"
        )
    return value


def service_name(value: str) -> str:
    """A name under which the application reaches a service."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?", value):
        raise ValueError(f"{value!r} cannot be a host's name; use letters, digits and '-'")
    return value


def companion(value: str) -> str:
    """The name of a companion of this project."""
    if value not in plugins.companions():
        raise ValueError(f"unknown companion {value!r}{suggestion(value, plugins.companions())}")
    return value


# -- request and response --------------------------------------------------------------------------


def method(value: str) -> str:
    """An HTTP method, in capital letters."""
    if value.upper() not in METHODS:
        raise ValueError(f"unknown method {value!r}{suggestion(value.upper(), METHODS)}")
    return value.upper()


def request_path(value: str) -> str:
    """Path and query of a request, as they are sent."""
    if not re.fullmatch(r"/[!-~]*", value) or "#" in value:
        raise ValueError(
            f"{value!r} is not a path: it begins with '/', and all but plain letters, digits and "
            "signs is written %XX"
        )
    return value


def header_name(value: str) -> str:
    """The name of a header that is not the client's own business."""
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", value):
        raise ValueError(f"{value!r} is not the name of a header")
    if value.lower() in OF_THE_CLIENT:
        raise ValueError(f"{value} is set by the client that sends the request; remove it")
    return value


def header(value: object) -> object:
    """The value of a header, or the command that prints it."""
    if isinstance(value, dict) and (unknown := [key for key in value if key != "command"]):
        raise ValueError(f"unknown key {unknown[0]!r}{suggestion(unknown[0], ['command'])}")
    written = value.get("command") if isinstance(value, dict) else value
    if not isinstance(written, str):
        raise ValueError("a header is a text, or `{command: …}`, which prints it")  # noqa: TRY004
    if not isinstance(value, dict) and not written.isprintable():
        raise ValueError("a header is one line, without control characters")
    text(written)
    return value


def status(value: str) -> int:
    """The status of an answer."""
    if not re.fullmatch("[2-5][0-9][0-9]", value):
        raise ValueError(f"{value!r} is not the status of an answer, 200 to 599")
    return int(value)


def pattern(value: str) -> str:
    """A regular expression."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}; fix it") from None
    return value


def json_value(plain: Plain) -> object:
    """A value as JSON has it: `1`, `true` and `null` mean themselves, unless they are in quotes."""
    if isinstance(plain, dict):
        return {key: json_value(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [json_value(value) for value in plain]
    if plain is None or isinstance(plain, Quoted):
        return plain
    if NUMBER.fullmatch(plain):
        return _number(plain)
    return WORDS.get(plain, plain)


def _number(written: str) -> object:
    value = json.loads(written)
    if value in {float("inf"), float("-inf")}:
        raise ValueError(f"{written} is too large a number; write it in quotes to send it as text")
    return value


def json_text(plain: Plain) -> str:
    """A value of the file as JSON text."""
    if isinstance(plain, Quoted) and plain.lstrip().startswith(("{", "[")):
        raise ValueError("this is a text in quotes: write the mapping or list without them")
    return json.dumps(json_value(plain))
