"""What is installed for a cell with an application, what has to be built, and what gave way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from runner.application.own_python import admits
from runner.application.pins import AnySource, Pin, Sdist
from runner.application.problem import Problem
from runner.resolver import Lock, Pinned, Unavailable

HASH = re.compile(r"--hash=(?P<hash>\S+)")


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A requirement of the application that gave way: to an axis, or to what an axis needs."""

    name: str
    was: str
    now: str
    because: str
    was_exact: bool = True

    def __str__(self) -> str:
        return f"{self.name} {self.was} → {self.now}, because of {self.because}"


@dataclass(frozen=True, kw_only=True)
class ApplicationLock:
    """What is installed for a cell with an application.

    `lock` are the wheels. `sdists` and `sources` have to be built, `moved` gave way, `added` is
    what patch mode or server need and the application does not name. `unknown` are those to be
    built whose dependencies are not known yet. `of_another_python`: the application's files do not
    admit this Python. `contradiction` is why its exact versions were taken although their metadata
    forbids it.
    """

    lock: Lock
    sdists: tuple[Sdist, ...] = ()
    sources: tuple[AnySource, ...] = ()
    moved: tuple[Moved, ...] = ()
    added: tuple[str, ...] = ()
    of_another_python: bool = False
    unknown: tuple[str, ...] = ()
    contradiction: str = ""


def collected(problem: Problem, text: str, sdists: frozenset[str]) -> ApplicationLock | Unavailable:
    """What an answer of uv's means; `sdists` are those of it that have to be built."""
    application, request = problem.application, problem.request
    whole = Lock(request=request, platform=problem.platform, text=text)
    another = bool(application.python) and not admits(application.python, request.python)
    checked = {pinned.name: _with_own_hashes(pinned, problem, another) for pinned in whole.pinned}
    for name, found in checked.items():
        if found is None:
            return Unavailable(request=request, reason=_other_files(problem, name))
    kept = {canonicalize_name(name): found for name, found in checked.items() if found}
    needed = {canonicalize_name(requirement.name) for requirement in request.requirements}
    wheels = "".join(found.text for name, found in kept.items() if name not in sdists)
    return ApplicationLock(
        lock=Lock(request=request, platform=problem.platform, text=wheels),
        sdists=tuple(
            Sdist(name=name, version=found.version, hashes=_hashes(found))
            for name, found in kept.items()
            if name in sdists
        ),
        sources=problem.sources,
        moved=tuple(_moved(problem, {name: found.version for name, found in kept.items()})),
        added=tuple(f"{n}=={p.version}" for n, p in kept.items() if n in needed - problem.named),
        of_another_python=another,
        unknown=(
            *sorted(sdists & kept.keys() - problem.built.keys()),
            *(s.name or s.place for s in problem.sources if problem.known(s) is None),
        ),
    )


def _hashes(pinned: Pinned) -> tuple[str, ...]:
    return tuple(match["hash"] for match in HASH.finditer(pinned.text))


def _own(pinned: Pinned, problem: Problem) -> list[Pin]:
    """The application's pins of this very version that have hashes to compare."""
    return [
        pin
        for pin in problem.pins
        if pin.name == canonicalize_name(pinned.name)
        and pin.exact
        and _allows(pin, pinned.version)
        and any(value.startswith("sha256:") for value in pin.hashes)
    ]


def _with_own_hashes(pinned: Pinned, problem: Problem, another: bool) -> Pinned | None:
    """With those files alone that the application's lock knows; None if the index has no such.

    A lock for another Python need not know the files for this one.
    """
    own = {value for pin in _own(pinned, problem) for value in pin.hashes}
    if another or not own:
        return pinned
    common = [value for value in _hashes(pinned) if value in own]
    if not common:
        return None
    lines = [f"{pinned.name}=={pinned.version}", *(f"    --hash={value}" for value in common)]
    return replace(pinned, text=" \\\n".join(lines) + "\n")


def _other_files(problem: Problem, name: str) -> str:
    return (
        f"the index has other files of {name} than the application's lock "
        f"({problem.place(name)}): their hashes differ"
    )


def _moved(problem: Problem, versions: Mapping[str, str]) -> Iterator[Moved]:
    """What of the application gave way, each once."""
    because = {**problem.brought, **{name: str(axis) for name, axis in problem.axes.items()}}
    seen: set[str] = set()
    for pin in problem.pins:
        now = versions.get(pin.name)
        if now and pin.name not in seen and not _allows(pin, now):
            seen.add(pin.name)
            was = pin.exact or pin.specifier
            why = because.get(pin.name, "")
            exact = pin.exact is not None
            yield Moved(name=pin.name, was=was, now=now, because=why, was_exact=exact)
    for source in problem.application.sources:
        name = source.name or ""
        if name in problem.axes and name in versions:
            yield Moved(name=name, was=str(source), now=versions[name], because=because[name])


def _allows(pin: Pin, version: str) -> bool:
    if pin.specifier.startswith("==="):
        return pin.exact == version
    return SpecifierSet(pin.specifier).contains(version, prereleases=True)
