"""One lock of an application and what a cell puts into it: the cell's axes win, all else stays.

The application's lock is not resolved again. Its exact versions hold, but for those of an axis and
of what an axis depends on: these are preferred, and give way where the axis needs it. Nothing is
built here. What has no wheel is named, its dependencies are unknown until it was built in a
container, and then it is resolved once more with them (`built`).
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement as Parsed
from packaging.utils import canonicalize_name

from runner.application.application_lock import ApplicationLock, collected
from runner.application.pins import Requirements, mistake
from runner.application.problem import Built, Files, Problem
from runner.matrix.cell import EnvironmentRequest
from runner.resolver import (
    NO_VERSION,
    UNKNOWN,
    Unavailable,
    condense,
    free_threaded,
    refuse_unexplained,
    resolve,
    run_uv,
    uv_command,
)
from runner.text import listed

#: How often what has no wheel is found, one after the other, before giving up.
MOST_SDISTS: Final = 60
#: What helps where requirements exclude each other.
IN_CONFLICT: Final = "choose another version on the axis, or allow more in the requirements"
WHEELS_ARE_REQUIRED = re.compile(r"Wheels are required for `(?P<name>[^`]+)`")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def resolve_application(
    application: Requirements,
    request: EnvironmentRequest,
    platform: str,
    *,
    built: Built | None = None,
) -> ApplicationLock | Unavailable:
    """The lock of an application in a cell, or why there is none.

    What `request` names with a version is an axis and wins; what it names without is added unless
    the application has it. Raises `SpecError` for a package or version that does not exist.
    """
    if found := free_threaded(request):
        return found
    brought = _brought(request, platform)
    if isinstance(brought, Unavailable):
        return brought
    problem = Problem(
        application=application,
        request=request,
        platform=platform,
        brought=brought,
        built=built or {},
    )
    solved, contradiction = _solved(problem, strict=True), ""
    if isinstance(solved, Unavailable):
        contradiction = solved.reason
        solved = _solved(problem, strict=False)
    if isinstance(solved, Unavailable):
        return replace(solved, reason=f"{solved.reason}; {IN_CONFLICT}")
    lock = collected(problem, *solved)
    if isinstance(lock, Unavailable) or any(not moved.was_exact for moved in lock.moved):
        return lock  # a range that gave way is listed as such
    return replace(lock, contradiction=contradiction)


def _brought(request: EnvironmentRequest, platform: str) -> dict[str, str] | Unavailable:
    """What each axis depends on, by resolving it alone."""
    found: dict[str, str] = {}
    axes = [requirement for requirement in request.requirements if requirement.specifier]
    for axis in axes:
        alone = resolve(replace(request, requirements=(axis,)), platform)
        if isinstance(alone, Unavailable):
            return Unavailable(request=request, reason=alone.reason)
        for name in alone.versions:
            found.setdefault(canonicalize_name(name), str(axis))
    own = {canonicalize_name(axis.name) for axis in axes}
    return {name: axis for name, axis in found.items() if name not in own}


def _solved(problem: Problem, *, strict: bool) -> tuple[str, frozenset[str]] | Unavailable:
    """The lock, and what of it has to be built, which is found out on the way."""
    files = problem.files(strict=strict)
    named = {pin.name for pin in problem.pins}
    sdists = frozenset(problem.application.sdists) & named - problem.wheels_only
    for _ in range(MOST_SDISTS):
        result = _ask(problem, files, sdists)
        if result.returncode == 0:
            return result.stdout, sdists
        _refuse_impossible(problem, result.stderr)
        refuse_unexplained(result, problem.request.python)
        more = _without_wheel(result.stderr) - problem.wheels_only - sdists
        if not more:
            break
        sdists |= more
    return Unavailable(request=problem.request, reason=_both_sides(problem, result.stderr))


def _ask(
    problem: Problem, files: Files, sdists: frozenset[str]
) -> subprocess.CompletedProcess[str]:
    """Run uv, which may choose from the sdists of some packages and builds none of them.

    For these their metadata is given, so that uv asks for no other: a stranger's code must not run
    on this machine. Other packages have wheels or are not taken.
    """
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        for name in ("constraints", "overrides", "preferences"):
            lines = getattr(files, name)
            (here / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
        metadata = (_metadata(name, problem.built.get(name, ())) for name in sorted(sdists))
        (here / "uv.toml").write_text("".join(metadata))
        command = uv_command("compile", problem.request, problem.platform)
        command += ["-", "--directory", directory, "--generate-hashes", "--no-header"]
        command += ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["-c", "constraints.txt", "--override", "overrides.txt"]
        # The versions in an existing output are preferred.
        command += ["--output-file", "preferences.txt"]
        command += [word for name in sorted(sdists) for word in ("--no-binary", name)]
        if problem.request.exclude_newer:
            command += ["--exclude-newer", problem.request.exclude_newer]
        return run_uv(command, "".join(f"{line}\n" for line in files.requirements))


def _metadata(name: str, requires: Iterable[str]) -> str:
    """What uv takes for the metadata of all versions of a package; JSON's texts are TOML's."""
    extras = sorted({extra for text in requires for extra in _extras(text)})
    return (
        f"[[dependency-metadata]]\nname = {json.dumps(name)}\n"
        f"requires-dist = {json.dumps(list(requires))}\nprovides-extra = {json.dumps(extras)}\n"
    )


def _extras(requirement: str) -> Iterator[str]:
    marker = str(Parsed(requirement).marker or "")
    yield from re.findall(r"extra == [\"']([^\"']+)", marker)


def _without_wheel(stderr: str) -> frozenset[str]:
    """The packages that uv could take if it were allowed to build them."""
    text = " ".join(stderr.split())
    hinted = {canonicalize_name(match["name"]) for match in WHEELS_ARE_REQUIRED.finditer(text)}
    return frozenset(
        name
        for name in hinted
        if re.search(rf"\b{re.escape(name)}\S* (?:has|have) no (?:usable wheels|wheels with)", text)
    )


def _refuse_impossible(problem: Problem, stderr: str) -> None:
    """A package nobody has, or a version it never had, is a mistake in the application's files."""
    text = " ".join(stderr.split())
    if match := UNKNOWN.search(text):
        name = match["what"].strip("`").split("==")[0]
        raise mistake(
            problem.place(name),
            f"there is no package {name!r} in the index: correct its name, or tell uv of the index "
            "that has it (UV_INDEX)",
        )
    match = NO_VERSION.search(text)
    exact = {f"{pin.name}=={pin.exact}": pin for pin in problem.pins if pin.exact}
    if match and (pin := exact.get(match["what"].strip("`"))):
        day = problem.request.exclude_newer
        dated, also = (f" on {day}", ", or move `exclude_newer`") if day else ("", "")
        raise mistake(
            pin.place, f"there is no version {pin.name}=={pin.exact}{dated}: correct it{also}"
        )


def _both_sides(problem: Problem, stderr: str) -> str:
    """Why there is no lock: what the matrix file wants, what the application, and uv's reason."""
    words = {canonicalize_name(word.strip(".")) for word in WORD.findall(stderr)}
    reason = condense(stderr, problem.request.python)
    axes = [str(axis) for name, axis in sorted(problem.axes.items()) if name in words]
    involved = {p.name: p for p in problem.pins if p.name in words and p.name not in problem.axes}
    held = {name: pin for name, pin in involved.items() if not problem.gives_way(pin)}
    pins = [f"{pin} ({pin.place})" for _, pin in sorted((held or involved).items())]
    if axes and pins:
        return (
            f"the matrix file's {listed(axes)} and the application's {listed(pins)} exclude each "
            f"other: {reason}"
        )
    return f"the application's requirements cannot be met: {reason}"
