"""Servers with their settings: as the matrix file writes them, and as the one text of each.

That text is part of ids and records: `gunicorn-gthread-w1-t16-preload`. Settings that every cell of
a server has are there by their first letters, those that are only set where they are named by their
whole names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from runner.matrix import plugins
from runner.matrix.plugins import ServerKind
from runner.matrix.values import boolean, one_of, whole_number
from runner.text import suggestion

#: A server that may be unknown: a name, and settings with numbers.
_ANY = re.compile(r"(?P<name>[a-z]+(?:-[a-z]+)*)(?:-[a-z]+[0-9]+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """What serves the application, with its settings: `gunicorn-gthread-w1-t16`.

    A switch that is on has the value 1.
    """

    name: str
    settings: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return self.name + "".join(
            f"-{_short(self.kind, name)}{'' if _is_switch(self.kind, name) else value}"
            for name, value in self.settings
        )

    @property
    def kind(self) -> ServerKind:
        """The plugin that defines it."""
        return plugins.servers()[self.name]

    @property
    def at_once(self) -> int | None:
        """How many requests it works on at a time; None for as many as arrive."""
        return self.kind.at_once(dict(self.settings))


def _short(kind: ServerKind, name: str) -> str:
    """How a setting is called in the text of a server."""
    return name[0] if name in kind.settings else name.replace("_", "")


def _is_switch(kind: ServerKind, name: str) -> bool:
    return kind.options.get(name) is False


def server_name(text: str) -> str:
    """The name of a server as `str(Server)` writes it, without its settings."""
    known = [name for name in plugins.servers() if f"{text}-".startswith(f"{name}-")]
    if known:
        return max(known, key=len)
    match = _ANY.fullmatch(text)
    return match["name"] if match else text


@cache
def server(text: str) -> Server:
    """The server of a name, or of a name and settings as `str(Server)` writes it."""
    name = server_name(text)
    kind = plugins.servers()[one_of("server", name, plugins.servers())]
    names = {_short(kind, setting): setting for setting in (*kind.settings, *kind.options)}
    chosen = {}
    for short, number in _written(text, name):
        if short not in names:
            raise ValueError(f"{name} has no setting {short!r}{suggestion(short, names)}")
        chosen[names[short]] = number or "true"
    return _server(kind, chosen)


def _written(text: str, name: str) -> Iterator[tuple[str, str]]:
    """The settings behind a server's name, each with its number if it has one."""
    for part in filter(None, text.removeprefix(name).split("-")):
        match = re.fullmatch(r"([a-z]+)([0-9]*)", part)
        if match is None:
            raise ValueError(f"unknown server {text!r}{suggestion(text, plugins.servers())}")
        yield match[1], match[2]


def server_from_mapping(section: Mapping[str, object]) -> Server:
    """A server written as a mapping: `{name: gunicorn-gthread, workers: 1, threads: 16}`."""
    if "name" not in section:
        raise ValueError("a server needs a `name:`")
    name = one_of("server", str(section["name"]), plugins.servers())
    chosen = {key: str(value) for key, value in section.items() if key != "name"}
    return _server(plugins.servers()[name], chosen)


def server_matcher(section: Mapping[str, object]) -> Callable[[str], bool]:
    """Whether a server, as text, has the name and the settings that a mapping names of it.

    A switch that is off is a setting, too: `preload: false`.
    """
    kinds = plugins.servers()
    name = str(section["name"]) if "name" in section else None
    named = [kinds[one_of("server", name, kinds)]] if name else [*kinds.values()]
    known = {setting: kind for kind in named for setting in (*kind.settings, *kind.options)}
    wanted = {}
    for key, value in section.items():
        if key == "name":
            continue
        if key not in known:
            raise ValueError(f"{name or 'a server'} has no setting {key!r}{suggestion(key, known)}")
        wanted[key] = _value(known[key], key, str(value))
    if not section:
        raise ValueError("name a server, or a setting of one")

    def matches(text: str) -> bool:
        one = server(text)
        off = {n: 0 for n, value in one.kind.options.items() if value is False}
        return name in {None, one.name} and wanted.items() <= {**off, **dict(one.settings)}.items()

    return matches


def _server(kind: ServerKind, chosen: Mapping[str, str]) -> Server:
    known = (*kind.settings, *kind.options)
    for name in chosen:
        if name not in known:
            raise ValueError(f"{kind.name} has no setting {name!r}{suggestion(name, known)}")
    given = {name: _value(kind, name, text) for name, text in chosen.items()}
    settings = {**kind.settings, **given}
    ordered = ((name, settings[name]) for name in known if settings.get(name))
    return Server(name=kind.name, settings=tuple(ordered))


def _value(kind: ServerKind, name: str, text: str) -> int:
    """A setting's value: a whole number above 0, or 1 and 0 for a switch."""
    try:
        return int(boolean(text)) if _is_switch(kind, name) else whole_number(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
