"""Servers and workloads with their settings, as values: how they are written, named and read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from runner.matrix import catalogue
from runner.matrix.catalogue import Parameter, ServerKind, WorkloadKind
from runner.matrix.document import suggestion
from runner.matrix.scalars import seconds, truth, whole_number


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """What serves the application, with its settings: `gunicorn-gthread-w1-t16`."""

    name: str
    settings: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return self.name + "".join(f"-{name[0]}{value}" for name, value in self.settings)

    @property
    def kind(self) -> ServerKind:
        """What the server program says of it."""
        return catalogue.servers()[self.name]

    @property
    def at_once(self) -> int | None:
        """How many requests it works on at a time; None for as many as come."""
        return self.kind.at_once(dict(self.settings))


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """What one request does, with all of its parameters as text."""

    name: str = "sleep"
    parameters: tuple[tuple[str, str], ...] = (("seconds", "2"),)

    @property
    def kind(self) -> WorkloadKind:
        """What the server program says of it."""
        return catalogue.workloads()[self.name]

    @property
    def service_s(self) -> float | None:
        """How long a request takes at the least, in seconds; None where only measuring tells."""
        name = self.kind.service_s
        return None if name is None else float(dict(self.parameters)[name])


def patch_mode(text: str) -> str:
    """A patch mode's name; ValueError with a suggestion for what is none."""
    return _known("patch", text, catalogue.patches())


def workload_name(text: str) -> str:
    """A workload's name; ValueError with a suggestion for what is none."""
    return _known("workload", text, catalogue.workloads())


def _known(what: str, text: str, known: Mapping[str, object]) -> str:
    if text not in known:
        raise ValueError(f"unknown {what} {text!r}{suggestion(text, known)}")
    return text


@cache
def server(text: str) -> Server:
    """A server by its name, or by its name and settings as `Server` is shown."""
    name, written = text, ""
    if match := re.fullmatch(r"(?P<name>[a-z]+(?:-[a-z]+)*)(?P<settings>(?:-[a-z][0-9]+)+)", text):
        name, written = match["name"], match["settings"]
    kind = catalogue.servers()[_known("server", name, catalogue.servers())]
    letters = {setting[0]: setting for setting in kind.settings}
    chosen = {}
    for letter, number in re.findall(r"-([a-z])([0-9]+)", written):
        if letter not in letters:
            raise ValueError(f"{name} has no setting {letter!r}{suggestion(letter, letters)}")
        chosen[letters[letter]] = number
    return server_of(kind, chosen)


def server_section(section: Mapping[str, object]) -> Server:
    """A server written as a mapping: `{name: gunicorn-gthread, workers: 1, threads: 16}`."""
    if "name" not in section:
        raise ValueError("a server needs a `name:`")
    name = _known("server", str(section["name"]), catalogue.servers())
    rest = {key: str(value) for key, value in section.items() if key != "name"}
    return server_of(catalogue.servers()[name], rest)


def server_of(kind: ServerKind, chosen: Mapping[str, str]) -> Server:
    """A server with some settings, the others at their defaults."""
    for name in chosen:
        if name not in kind.settings:
            hint = suggestion(name, kind.settings)
            raise ValueError(f"{kind.name} has no setting {name!r}{hint}")
    settings = dict(kind.settings)
    settings |= {name: whole_number(value) for name, value in chosen.items()}
    return Server(name=kind.name, settings=tuple(settings.items()))


def parameter(name: str, text: str) -> str:
    """A workload parameter's value in its normal form; ValueError says what is wrong with it."""
    of_kind = [k.parameters[name] for k in catalogue.workloads().values() if name in k.parameters]
    return _normal(name, of_kind[0], text)


def _normal(name: str, default: Parameter, text: str) -> str:
    if isinstance(default, bool):
        return str(truth(text)).lower()
    if isinstance(default, tuple):
        return _known(name, text, dict.fromkeys(default))
    if isinstance(default, int):
        return str(whole_number(text))
    return f"{seconds(text):g}"


def workload(name: str, chosen: Mapping[str, str]) -> Workload:
    """A workload with some parameters in normal form, the others at their defaults.

    Parameters of other workloads are not its own and are left out.
    """
    kind = catalogue.workloads()[name]
    own = ((p, chosen.get(p) or default_text(d)) for p, d in kind.parameters.items())
    return Workload(name=name, parameters=tuple(own))


def default_text(default: Parameter) -> str:
    """A parameter's default as text in its normal form."""
    if isinstance(default, tuple):
        return default[0]
    if isinstance(default, float):
        return f"{default:g}"
    return str(default).lower()
