"""What has no wheel and is to be built: its archive, kept in the cache, and how it is built."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed

from runner.application.clone import (
    archive_commit,
    archive_with_history,
    commit_of,
    has_history,
    public_address,
    state_of,
)
from runner.application.pins import AnySource, Archive, Directory, GitSource, Sdist
from runner.application.source import project_of
from runner.application.toml_file import table
from runner.build.build_container import Backend
from runner.build.fetch import Remote, fetch, located, sha256
from runner.build.layers import aside
from runner.build.recipe import digest
from runner.build.source_layer import source_layer
from runner.errors import EngineError
from runner.matrix.cell import EnvironmentRequest

#: What a build requires by default. Later releases have no pkg_resources, which the setup.py of
#: many an old project imports; a project with a pyproject.toml says itself what it wants.
SETUPTOOLS: Final = ("setuptools<81", "wheel")
LEGACY: Final = "setuptools.build_meta:__legacy__"
PROJECT: Final = "the project itself"
WHEEL: Final = ".whl"
#: Tools that ask git for a project's version.
OF_GIT: Final = re.compile(
    r"setuptools[-_]scm|hatch-vcs|\bpbr\b|versioningit|versioneer|dunamai|dynamic-versioning"
    r"|flit[-_]scm|setuptools-git|source *= *.scm\b"
)
MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Unbuilt:
    """Something to build, or a wheel that is at hand already.

    `name` is None until it is built where nothing tells it. `what` is for messages, `origin` for
    records, and `digest` is a SHA-256 of what is built.
    """

    name: str | None
    what: str
    origin: str
    digest: str
    archive: Path
    subdirectory: str = ""

    @property
    def is_wheel(self) -> bool:
        """Whether there is nothing to build."""
        return self.archive.suffix == WHEEL


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """Where and for what archives are fetched; what is `secret` is copied into none."""

    request: EnvironmentRequest
    platform: str
    cache: Path
    project: Path | None = None
    secret: tuple[Path, ...] = ()

    def archive(self, key: str, suffix: str = "") -> Path:
        """The place of an archive in the cache."""
        return self.cache / "origins" / f"{key}{suffix}"


def fetched(one: Sdist | AnySource, how: Fetching) -> Unbuilt:
    """Its archive, fetched or copied once. Raises `EngineError` if it cannot be had."""
    match one:
        case Sdist():
            return _sdist(one, how)
        case GitSource():
            return _git(one, how)
        case Directory():
            return _directory(one, how)
        case Archive():
            return _archive(one, how)


def _sdist(sdist: Sdist, how: Fetching) -> Unbuilt:
    what = f"{sdist.name} {sdist.version}"
    key = digest([sdist.name, sdist.version, *sorted(sdist.hashes)])[:32]
    archive = how.archive(f"{sdist.name}-{sdist.version}-{key}")
    if not archive.exists():
        fetch(located(sdist, how.request, how.platform), archive, what)
    found = sha256(archive)
    return Unbuilt(
        name=sdist.name, what=what, origin=f"sdist {found}", digest=digest([found]), archive=archive
    )


def _git(source: GitSource, how: Fetching) -> Unbuilt:
    commit, address = commit_of(source), public_address(source.url)
    key = digest([address, commit])
    archive = how.archive(key[:32], ".tar")
    if not archive.exists():
        with aside(archive) as unfinished:
            archive_commit(source, commit, unfinished)
    return Unbuilt(
        name=source.name,
        what=f"{source.name or source.place} (git {commit[:12]})",
        origin=f"git {address}@{commit}",
        digest=digest([key, source.subdirectory]),
        archive=archive,
        subdirectory=source.subdirectory,
    )


def _directory(source: Directory, how: Fetching) -> Unbuilt:
    tree, of = project_of(source.path, apart_from=how.secret), [""]
    itself = how.project is not None and source.path == how.project.resolve()
    if _asks_git(source.path):
        of = [tree.digest, state_of(source)]
        archive = how.archive(digest(of), ".tar")
        if not archive.exists():
            with aside(archive) as unfinished:
                archive_with_history(source, tree, unfinished)
    else:
        (archive,) = source_layer(tree, how.cache).packed
    return Unbuilt(
        name=source.name,
        what=PROJECT if itself else str(source),
        origin=PROJECT if itself else str(source),
        digest=digest([tree.digest, *of]),
        archive=archive,
    )


def _asks_git(directory: Path) -> bool:
    """Whether a project's version, or the list of its files, is computed of git's history."""
    stated = (directory / name for name in ("pyproject.toml", "setup.py", "setup.cfg"))
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in stated if path.exists())
    return has_history(directory) and any(OF_GIT.search(text) for text in texts)


def _archive(source: Archive, how: Fetching) -> Unbuilt:
    what = source.name or source.place
    archive = Path(source.url)
    if "://" in source.url:
        file_name = Path(source.url.partition("?")[0].partition("#")[0]).name
        key = digest([source.url, *sorted(source.hashes)])[:32]
        archive = how.archive(f"{key}/{file_name}")
        if not archive.exists():
            fetch(Remote(url=source.url, hashes=source.hashes), archive, what)
    found = sha256(archive)
    if source.hashes and found not in source.hashes:
        raise EngineError(f"{what}: the archive is not the one of the lock: its hash differs")
    return Unbuilt(
        name=source.name, what=what, origin=f"archive {found}", digest=digest([found]),
        archive=archive,
    )  # fmt: skip


# -- how it is built -------------------------------------------------------------------------------


def how_to_build(unbuilt: Unbuilt) -> tuple[Backend, tuple[str, ...]]:
    """Its backend, and what its project states that a build requires; `EngineError` if unclear."""
    text = _read(unbuilt, "pyproject.toml")
    try:
        system = table(tomllib.loads(text or ""), "build-system")
    except tomllib.TOMLDecodeError as error:
        raise EngineError(f"its pyproject.toml is no TOML ({error})") from None
    backend = Backend(
        backend=str(system.get("build-backend", LEGACY)),
        backend_path=tuple(str(path) for path in system.get("backend-path", ())),
        subdirectory=unbuilt.subdirectory,
    )
    return backend, requirements(system.get("requires", SETUPTOOLS))


def requirements(several: Any) -> tuple[str, ...]:  # noqa: ANN401 - a stranger's
    """Requirements of a build, each checked, for a stranger may have written them."""
    found: list[str] = []
    for one in several if isinstance(several, Iterable) else ():
        try:
            parsed = Parsed(str(one))
        except InvalidRequirement:
            raise EngineError(f"its build requires {one!r}, which is no requirement") from None
        if parsed.url:
            raise EngineError(
                f"its build requires {parsed.name} from an address; only wheels of "
                "the index are used for builds"
            )
        found.append(str(parsed))
    return tuple(sorted(found))


def _read(unbuilt: Unbuilt, name: str) -> str | None:
    """A file of the project in its archive, None where it has none. Nothing is unpacked."""
    wanted = [*Path(unbuilt.subdirectory).parts, name]
    try:
        if zipfile.is_zipfile(unbuilt.archive):
            return _read_zip(unbuilt.archive, wanted)
        with tarfile.open(unbuilt.archive) as packed:
            for member in packed:
                if _parts(member.name)[1:] == wanted and member.isfile():
                    file = packed.extractfile(member)
                    return file.read(MOST_BYTES).decode("utf-8", "replace") if file else None
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise EngineError(f"its archive cannot be read ({_first_line(error)})") from None
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition(":\n")[0]


def _read_zip(archive: Path, wanted: list[str]) -> str | None:
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            if _parts(name)[1:] == wanted:
                with packed.open(name) as file:
                    return file.read(MOST_BYTES).decode("utf-8", "replace")
    return None


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in {"", "."}]
