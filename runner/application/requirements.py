"""What an application requires, from any of the files in which that is written.

Nothing is built, and nothing of the application is run: what cannot be known without is either left
to a build in a container (`Requirements.sources`) or an error that says what to name instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runner.application.pins import Requirements, mistake, pin
from runner.application.pipfile_lock import read_pipfile_lock
from runner.application.poetry_lock import read_poetry_lock
from runner.application.pyproject import read_pyproject
from runner.application.requirements_txt import Reading, read_requirements_txt
from runner.application.sources import ARCHIVES, is_address, is_path, source_at
from runner.application.toml_file import not_a_requirement
from runner.application.uv_lock import read_pylock, read_uv_lock

Names: TypeAlias = frozenset[str]
Reader: TypeAlias = Callable[[Path, Path, Names, Names], Requirements]

#: Files by the pattern of their names, in the order in which these are tried.
WITH_GROUPS: Final[tuple[tuple[str, Reader], ...]] = (
    ("pylock.toml", read_pylock),
    ("pylock.*.toml", read_pylock),
    ("*uv.lock", read_uv_lock),
    ("poetry.lock", read_poetry_lock),
    ("pyproject.toml", read_pyproject),
)
PIPFILE_LOCK: Final = "Pipfile.lock"
REQUIREMENTS_TXT: Final = ("*.txt", "*.in", "*.pip")
#: Files that are often named and cannot be read without running something, with what can be.
INSTEAD: Final = {
    "setup.py": "it is a program: name a requirements file or a lock file, or the directory itself",
    "setup.cfg": "name a requirements file or a lock file, or the directory itself",
    "Pipfile": "it has no exact versions: run `pipenv lock`, and name Pipfile.lock",
    "environment.yml": "conda is not supported: name a requirements file",
    "environment.yaml": "conda is not supported: name a requirements file",
}
#: What ends like this is meant to be a file.
SUFFIXES: Final = frozenset(
    {".txt", ".in", ".pip", ".lock", ".toml", ".py", ".cfg", ".yml", ".yaml"}
)
FORMATS: Final = (
    "requirements*.txt, pylock.toml, uv.lock, poetry.lock, Pipfile.lock or pyproject.toml"
)


def read_requirements(
    written: str | Sequence[str],
    *,
    root: Path,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Requirements:
    """All of one or several files, directories or requirements, e.g. `ihatemoney==7.2.1`.

    Paths are relative to `root`, the application's directory. `extras` and `groups` are the chosen
    ones; the files that have such things must have them all.
    """
    names = [written] if isinstance(written, str) else list(written)
    found = Requirements()
    for name in names:
        found += _read(name, root.resolve(), frozenset(extras), frozenset(groups))
    have_extras = [pattern for pattern, _ in WITH_GROUPS]
    for kind, wanted, able in (
        ("extras", extras, have_extras),
        ("groups", groups, [*have_extras, PIPFILE_LOCK]),
    ):
        if wanted and not any(fnmatch(Path(name).name, p) for name in names for p in able):
            place = ", ".join(names) or "requirements"
            raise mistake(place, f"there are no {kind} in it: remove `{kind}`")
    return found


def _read(name: str, root: Path, extras: Names, groups: Names) -> Requirements:
    path = root / name
    if path.is_dir() or (path.is_file() and path.name.endswith(ARCHIVES)):
        return Requirements(sources=(source_at(name, place=name, roots=(root,)),))
    if not path.is_file():
        return _literal(name, root)
    for pattern, reader in WITH_GROUPS:
        if fnmatch(path.name, pattern):
            return reader(path, root, extras, groups)
    if path.name == PIPFILE_LOCK:
        return read_pipfile_lock(path, root, groups)
    if path.name in INSTEAD:
        raise mistake(name, INSTEAD[path.name])
    if any(fnmatch(path.name, pattern) for pattern in REQUIREMENTS_TXT):
        return read_requirements_txt(path, Reading(root=root))
    raise mistake(name, f"this kind of file is not known: name {FORMATS}")


def _literal(written: str, root: Path) -> Requirements:
    """A requirement instead of a file."""
    if is_address(written):
        return Requirements(sources=(source_at(written, place="requirements", roots=(root,)),))
    if is_path(written) or Path(written).suffix in SUFFIXES:
        raise mistake(
            written, f"there is no such file in {root}: correct the path, or name {FORMATS}"
        )
    try:
        parsed = Requirement(written)
    except InvalidRequirement as error:
        raise mistake("requirements", not_a_requirement(written, error)) from None
    if parsed.url:
        source = source_at(
            parsed.url, place="requirements", roots=(root,), name=canonicalize_name(parsed.name),
            extras=tuple(sorted(parsed.extras)),
        )  # fmt: skip
        return Requirements(sources=(source,))
    return Requirements(pins=(pin(parsed, place="requirements"),))
