"""Values of the matrix file: text in, value out; a ValueError says what is wrong with the text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from runner.matrix import plugins
from runner.matrix.plugins import Parameter, PatchMode, WorkloadKind
from runner.text import suggestion

OLDEST_CELL_PYTHON = (3, 8)
#: Larger than any part of a version that anybody has released.
HUGE = 999999
DAY_S = 24 * 3600
#: A launch that was disturbed this often will be disturbed again.
MOST_REPEATS = 9
#: The value on the axis `rate` of a load that has none: a closed loop of clients.
CLOSED = "closed"
#: What a value on that axis ends with that is a percentage of the baseline's rate, and the highest
#: of these: a queue grows at any above 100.
PERCENT, MOST_PERCENT = "%", 200
#: The JSON Schema of such a value.
RATE_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"const": CLOSED},
        {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?%$", "examples": ["80%"]},
    ]
}
#: So many letters of a variable's value are in an id.
LONGEST_VARIABLE = 20
SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
LARGEST_MEMORY = 2**50
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]+)?|\.[0-9]+")


# -- versions and packages -------------------------------------------------------------------------


def python_version(text: str) -> str:
    """`X.Y`, 3.8 or newer; from 3.13 on there is `3.13t`, the free-threaded build."""
    if not re.fullmatch(r"[1-9][0-9]?\.(0|[1-9][0-9]?)|3\.(1[3-9]|[2-9][0-9])t", text):
        raise ValueError(f"a Python is written X.Y, e.g. 3.11, not {text!r}")
    if tuple(int(part) for part in text.removesuffix("t").split(".")) < OLDEST_CELL_PYTHON:
        raise ValueError(f"Python {text} is too old: the server program needs 3.8 or newer")
    return text


def package_name(text: str) -> str:
    """A distribution's normalised name (PEP 503)."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        raise ValueError(f"{text!r} is not a package name")
    return str(canonicalize_name(text))


def version(text: str) -> str:
    """A version, a wildcard or a specifier in its one short form: `==25.9.1` → `25.9.1`."""
    return short_version(specifier(text))


def short_version(written: str) -> str:
    """A specifier as it is written in ids: exact, or without `==`, or `any`."""
    return exact_version(written) or written.removeprefix("==") or "any"


@cache
def specifier(text: str) -> str:
    """A version, a wildcard or a specifier, as a specifier: `25.9.1` → `==25.9.1`, `*` → ``."""
    text = "".join(text.split())
    if text in {"*", "any"}:
        return ""
    written = text if re.match(r"[<>=!~]", text) else f"=={text}"
    try:
        allowed = SpecifierSet(written)
    except InvalidSpecifier:
        raise ValueError(_not_a_version(text)) from None
    if not list(allowed) or any(part.operator == "===" for part in allowed):
        # `===` takes any text, `../..` included, and a version is part of file names.
        raise ValueError(_not_a_version(text))
    if _allows_nothing(allowed):
        raise ValueError(f"{text!r} allows no version at all: its bounds contradict each other")
    pin = exact_version(written)
    return f"=={pin}" if pin else written


@cache
def exact_version(written: str) -> str | None:
    """The one version, in its normal form, that a specifier pins; None if it allows several."""
    match = re.fullmatch(r"==([^*,]+)", written)
    return str(Version(match[1])) if match else None


def _not_a_version(text: str) -> str:
    return (
        f"{text!r} is not a version: write one (25.9.1), a wildcard (25.*) or a specifier "
        "(>=24,<26)"
    )


def _allows_nothing(allowed: SpecifierSet) -> bool:
    """Whether bounds exclude every version: a typing error that a resolver would report far away.

    Bounds that allow anything allow a version at, just above or just below one of them.
    """
    return not any(
        allowed.contains(version, prereleases=True) for part in allowed for version in _near(part)
    )


def contradict(one: str, other: str) -> bool:
    """Whether no version is allowed by two specifiers at once."""
    both = SpecifierSet(",".join(filter(None, (one, other))))
    return bool(list(both)) and _allows_nothing(both)


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


# -- numbers, words and dates ----------------------------------------------------------------------


def whole_number(text: str) -> int:
    """A whole number above 0."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number above 0")
    return int(text)


def repeats(text: str) -> int:
    """How often a disturbed launch may be repeated: one digit."""
    if not re.fullmatch(r"[0-9]", text):
        raise ValueError(f"{text!r} is not a whole number from 0 to {MOST_REPEATS}")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds above 0, at most a day."""
    if not _NUMBER.fullmatch(text) or not 0 < float(text) <= DAY_S:
        raise ValueError(f"{text!r} is not a number of seconds above 0 (at most {DAY_S}, a day)")
    return float(text)


def number(text: str) -> float:
    """A number that may be 0, at most as large as a number of seconds."""
    if not _NUMBER.fullmatch(text) or float(text) > DAY_S:
        raise ValueError(f"{text!r} is not a number from 0 to {DAY_S}")
    return float(text)


def rate(text: str) -> str:
    """Requests per second or a percentage, above 0, in their one short form, or `closed`."""
    if text == CLOSED:
        return text
    number = text.removesuffix(PERCENT)
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", number) or not float(number):
        raise ValueError(
            f"{text!r} is neither a number of requests per second above 0, nor a percentage like "
            f"80%, nor {CLOSED!r}"
        )
    if text != number and float(number) > MOST_PERCENT:
        raise ValueError(f"{text} is more than {MOST_PERCENT}% of what the baseline can serve")
    return f"{float(number):g}{text[len(number) :]}"


def share(rate: str | None) -> float | None:
    """The share of the baseline's rate that a percentage is, 0.8 for `80%`; None for others."""
    if rate is None or not rate.endswith(PERCENT):
        return None
    return float(rate.removesuffix(PERCENT)) / 100


def boolean(text: str) -> bool:
    """`true` or `false`."""
    if text not in {"true", "false"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def memory_bytes(text: str) -> int:
    """`512m`, `2g` or bytes."""
    match = re.fullmatch(r"([0-9]{1,15})([kmg]?)b?", text.lower())
    if match is None:
        raise ValueError(f"memory is written 512m or 2g, not {text!r}")
    size = int(match[1]) * SIZES[match[2]]
    if size < 6 * SIZES["m"]:
        raise ValueError(f"{text} is less than 6m, the least that an engine accepts")
    if size > LARGEST_MEMORY:
        raise ValueError(f"{text} is more memory than any machine has; write e.g. 512m")
    return size


def iso_date(text: str) -> str:
    """`YYYY-MM-DD`."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a date: write YYYY-MM-DD") from None


def one_of(what: str, text: str, known: Mapping[str, object]) -> str:
    """The text if it is a known word; else a ValueError with a suggestion."""
    if text not in known:
        raise ValueError(f"unknown {what} {text!r}{suggestion(text, known)}")
    return text


def label(text: str) -> str:
    """A label of the axis `copy`; it is part of a cell's id."""
    if not re.fullmatch(r"[A-Za-z0-9]{1,20}", text):
        raise ValueError(f"a label is at most 20 letters and digits, not {text!r}")
    return text


# -- patch modes -----------------------------------------------------------------------------------


def patch_mode(text: str) -> str:
    """A patch mode with its arguments, in its one form: `gevent(thread=False)`.

    What is an argument's default anyway is left out.
    """
    match = re.fullmatch(r"([^()\s]+)\s*(?:\((.*)\))?", text)
    if match is None:
        raise ValueError(f"{text!r} is not a patch: write a name, or gevent(thread=False)")
    name = one_of("patch", match[1], plugins.patches())
    known = plugins.patches()[name].arguments
    given = dict(_argument(name, known, part) for part in (match[2] or "").split(",") if part)
    chosen = [f"{a}={given[a]}" for a in known if a in given and given[a] != known[a]]
    return f"{name}({','.join(chosen)})" if chosen else name


def _argument(patch: str, known: Mapping[str, bool | None], written: str) -> tuple[str, bool]:
    name, _, value = (part.strip() for part in written.partition("="))
    if name not in known:
        raise ValueError(f"{patch} has no argument {name!r}{suggestion(name, known)}")
    if value not in {"True", "False"}:
        raise ValueError(f"{patch}({name}={value}): write {name}=True or {name}=False")
    return name, value == "True"


def patch_name(text: str) -> str:
    """The name of a patch mode without its arguments."""
    return text.partition("(")[0]


def patch_kind(text: str) -> PatchMode:
    """The patch mode of a text, whatever its arguments."""
    return plugins.patches()[patch_name(text)]


def patch_part(text: str) -> str:
    """A patch mode in an id, whose letters file names can have: `gevent-no-thread`."""
    name, _, arguments = text.rstrip(")").partition("(")
    words = (one.split("=") for one in arguments.split(",") if one)
    return "-".join((name, *(f"{'with' if on == 'True' else 'no'}-{what}" for what, on in words)))


#: How the name of an axis begins whose values are those of an environment variable.
VARIABLE = "environment."


def is_variable(name: str) -> bool:
    """Whether an axis is an environment variable of the server."""
    return name.startswith(VARIABLE)


def variable(axis: str, text: str) -> str:
    """The value of an environment variable, the axis `environment.NAME`."""
    name = axis.removeprefix(VARIABLE)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} is not the name of an environment variable")
    if name.startswith("MATRIX_"):
        raise ValueError("variables that begin with MATRIX_ are this program's own; use another")
    if not text.isprintable():
        raise ValueError("a variable is one line here, without control characters")
    return text


def variable_part(axis: str, value: str) -> str:
    """A variable in an id: its name and its value, as far as file names can have its letters."""
    plain = re.sub(r"[^A-Za-z0-9_.]+", "_", value)[:LONGEST_VARIABLE]
    if plain != value:
        plain += "_" + hashlib.sha256(value.encode()).hexdigest()[:6]
    return f"{axis.removeprefix(VARIABLE)}-{plain or 'empty'}"


def workload_name(text: str) -> str:
    """A workload's name."""
    return one_of("workload", text, plugins.workloads())


# -- workloads -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """What one request does, with all of its parameters as text."""

    name: str = "sleep"
    parameters: tuple[tuple[str, str], ...] = (("seconds", "2"),)

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> WorkloadKind:
        """The plugin that defines it, or that of the user's application."""
        return plugins.workload_kind(self.name)

    @property
    def service_s(self) -> float | None:
        """The shortest time of a request in seconds; None if it can only be measured.

        With a spread it is the mean.
        """
        name = self.kind.service_s
        return None if name is None else float(dict(self.parameters)[name])

    @property
    def longest_s(self) -> float | None:
        """The time of the longest request in seconds; None if it can only be measured."""
        return None if self.service_s is None else self.service_s + self.spread_s

    @property
    def spread_s(self) -> float:
        """By how many seconds a request takes more or less than the mean, at most."""
        return float(dict(self.parameters).get("spread", 0))


def workload(name: str, chosen: Mapping[str, str]) -> Workload:
    """A workload with some parameters in normal form, the others at their defaults.

    Parameters of other workloads are ignored, and those that are off are left out unless named.
    Raises a ValueError for parameters that contradict each other.
    """
    kind = plugins.workload_kind(name)
    own = ((p, chosen.get(p) or _default_text(d)) for p, d in kind.parameters.items())
    made = Workload(name=name, parameters=tuple((p, v) for p, v in own if p in chosen or v != "0"))
    if made.spread_s > (made.service_s or 0.0):
        raise ValueError(
            f"spread {made.spread_s:g} exceeds the {made.service_s:g} seconds that a request takes "
            "in the mean; lower it"
        )
    return made


def parameter(name: str, text: str) -> str:
    """A workload parameter's value in its normal form."""
    default = next(k.parameters[name] for k in plugins.workloads().values() if name in k.parameters)
    if isinstance(default, bool):
        return str(boolean(text)).lower()
    if isinstance(default, tuple):
        return one_of(name, text, dict.fromkeys(default))
    if isinstance(default, int):
        return str(whole_number(text))
    return f"{seconds(text) if default else number(text):g}"


def _default_text(default: Parameter) -> str:
    if isinstance(default, tuple):
        return default[0]
    if isinstance(default, float):
        return f"{default:g}"
    return str(default).lower()


def delta_share(text: str) -> float:
    """The smallest difference that matters, a share: 0.02 is 2 %; `ValueError` for none."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise ValueError(f"{text!r} is no share: give a number between 0 and 1, 0.02 for 2 %")
    return value
