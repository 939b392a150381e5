"""Values of the matrix file: text in, value out, ValueError for what is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_version
from packaging.version import Version

from runner.matrix import plugins
from runner.matrix.plugins import Parameter, ServerKind, WorkloadKind
from runner.matrix.yaml_document import suggestion

OLDEST_CELL_PYTHON = (3, 8)
#: Larger than any part of a version that somebody released.
HUGE = 999999


def python_version(text: str) -> str:
    """`X.Y`, 3.8 or newer."""
    if not re.fullmatch(r"[1-9][0-9]?\.(0|[1-9][0-9]?)", text):
        raise ValueError(f"a Python is written X.Y, e.g. 3.11, not {text!r}")
    if tuple(int(part) for part in text.split(".")) < OLDEST_CELL_PYTHON:
        raise ValueError(f"Python {text} is too old: the server program needs 3.8 or newer")
    return text


def specifier(text: str) -> str:
    """A version, a wildcard or a specifier, as a specifier: `25.9.1` → `==25.9.1`, `*` → ``."""
    text = "".join(text.split())
    if text in {"*", "any"}:
        return ""
    written = text if re.match(r"[<>=!~]", text) else f"=={text}"
    try:
        allowed = SpecifierSet(written)
    except InvalidSpecifier:
        raise ValueError(_no_version(text)) from None
    if not list(allowed) or any(part.operator == "===" for part in allowed):
        # `===` takes any text whatever, `../..` included, and a version is part of file names.
        raise ValueError(_no_version(text))
    if _allows_nothing(allowed):
        raise ValueError(f"{text!r} allows no version at all: its bounds contradict each other")
    pin = exact_version(written)
    return f"=={pin}" if pin else written


def exact_version(written: str) -> str | None:
    """The one version, in its normal form, that a specifier pins; None where it allows several."""
    match = re.fullmatch(r"==([^*,]+)", written)
    return str(Version(match[1])) if match else None


def comparable(written: str) -> str:
    """A text that is equal for specifiers of one and the same version: `==25.9`, `==25.9.0`."""
    pin = exact_version(written) if written.startswith("==") else None
    return f"=={canonicalize_version(pin)}" if pin else written


def _no_version(text: str) -> str:
    return (
        f"{text!r} is no version: write one (25.9.1), a wildcard (25.*) or a specifier (>=24,<26)"
    )


def _allows_nothing(allowed: SpecifierSet) -> bool:
    """Whether bounds leave nothing: a slip of the pen, which a resolver would report far away.

    A set of bounds that leaves anything leaves a version at, just above or just below one of them.
    """
    return not any(
        allowed.contains(version, prereleases=True) for part in allowed for version in _near(part)
    )


def _near(part: Specifier) -> Iterator[str]:
    bound = Version(part.version.removesuffix(".*"))
    epoch = f"{bound.epoch}!" if bound.epoch else ""
    release = list(bound.release)
    yield from ("0", str(bound))
    if bound.pre:
        yield f"{epoch}{bound.base_version.removeprefix(epoch)}{bound.pre[0]}{bound.pre[1] + 1}"
    yield epoch + ".".join(map(str, [*release, 0, 0, 1]))
    for place, number in enumerate(release):
        yield epoch + ".".join(map(str, [*release[:place], number + 1]))
        if number:
            yield epoch + ".".join(map(str, [*release[:place], number - 1, HUGE]))


DAY_S = 24 * 3600
#: A launch that is disturbed so often will be disturbed again.
MOST_REPEATS = 9


def whole_number(text: str) -> int:
    """A whole number above 0."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number above 0")
    return int(text)


def repeats(text: str) -> int:
    """How often something is made again: a digit."""
    if not re.fullmatch(r"[0-9]", text):
        raise ValueError(f"{text!r} is not a whole number from 0 to {MOST_REPEATS}")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds above 0, a day at the most."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?|\.[0-9]+", text) or not 0 < float(text) <= DAY_S:
        raise ValueError(f"{text!r} is not a number of seconds above 0 (a day at the most)")
    return float(text)


def truth(text: str) -> bool:
    """`true` or `false`."""
    if text not in {"true", "false"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


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
        return plugins.servers()[self.name]

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
        return plugins.workloads()[self.name]

    @property
    def service_s(self) -> float | None:
        """How long a request takes at the least, in seconds; None where only measuring tells."""
        name = self.kind.service_s
        return None if name is None else float(dict(self.parameters)[name])


def patch_mode(text: str) -> str:
    """A patch mode's name; ValueError with a suggestion for what is none."""
    return _known("patch", text, plugins.patches())


def workload_name(text: str) -> str:
    """A workload's name; ValueError with a suggestion for what is none."""
    return _known("workload", text, plugins.workloads())


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
    kind = plugins.servers()[_known("server", name, plugins.servers())]
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
    name = _known("server", str(section["name"]), plugins.servers())
    rest = {key: str(value) for key, value in section.items() if key != "name"}
    return server_of(plugins.servers()[name], rest)


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
    of_kind = [k.parameters[name] for k in plugins.workloads().values() if name in k.parameters]
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
    kind = plugins.workloads()[name]
    own = ((p, chosen.get(p) or default_text(d)) for p, d in kind.parameters.items())
    return Workload(name=name, parameters=tuple(own))


def default_text(default: Parameter) -> str:
    """A parameter's default as text in its normal form."""
    if isinstance(default, tuple):
        return default[0]
    if isinstance(default, float):
        return f"{default:g}"
    return str(default).lower()
