"""Base images, on an engine in memory and a mmdebstrap that is a shell script."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.build import bases, suites
from runner.build.bases import (
    LOADGEN,
    BaseImage,
    BaseRequest,
    NoBaseError,
    base_of_cells,
    ensure_bases,
    groups,
    pull_again,
    resolve_kind,
)
from runner.build.lock import Lock
from runner.build.prepare import prepare
from runner.build.suites import installed, mmdebstrap_command
from runner.engine.protocol import EngineImage
from runner.errors import EngineError, EngineUnavailableError
from runner.matrix.cell import Base
from runner.stages import Stages
from tests.support.memory_engine import MemoryEngine, silent
from tests.support.samples import LOCK
from tests.support.simulated import a_cell

DEBIAN = Base(kind="debian")
PYTHON = base_of_cells("3.11")
POSTGRES = BaseRequest(name="postgres", python="3.13", packages=("postgresql",))
#: Writes each archive that its arguments name, and a line into `calls` beside itself.
WRITES = """\
here=$(dirname "$0")
echo "$*" >> "$here/calls"
mkdir -p "$here/root/var/lib/dpkg"
printf 'Package: python3\\nVersion: 3\\nArchitecture: amd64\\n' > "$here/root/var/lib/dpkg/status"
for argument in "$@"; do
    case $argument in
        *--file=*)
            archive=${argument##*--file=}
            tar --create --directory="$here/root" --file="${archive% .}" ./var/lib/dpkg/status ;;
    esac
done
"""


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine(silent)


def mmdebstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str = WRITES) -> Path:
    """Put a mmdebstrap on the PATH; return the file with its calls."""
    tool = tmp_path / "bin" / "mmdebstrap"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    monkeypatch.setattr("runner.build.suites.os.geteuid", lambda: 0)
    return tool.parent / "calls"


def made(engine: MemoryEngine, *requests: BaseRequest, base: Base = DEBIAN) -> list[BaseImage]:
    found = ensure_bases(engine, requests, base.kind, base)
    images = [found[request] for request in requests]
    assert all(isinstance(image, BaseImage) for image in images), images
    return [image for image in images if isinstance(image, BaseImage)]


def failed(engine: MemoryEngine, request: BaseRequest) -> NoBaseError:
    error = ensure_bases(engine, [request], "debian", DEBIAN)[request]
    assert isinstance(error, NoBaseError)
    return error


def test_auto_is_debian_where_no_registry_answers(engine: MemoryEngine) -> None:
    assert resolve_kind(engine, ["3.11"], Base(kind="auto")) == "debian"
    engine.known_images["python:3.11-slim"] = EngineImage(id="sha256:registry")
    assert resolve_kind(engine, ["3.13", "3.11"], Base(kind="auto")) == "registry"


def test_a_python_without_a_suite_says_what_helps(engine: MemoryEngine) -> None:
    why = str(failed(engine, base_of_cells("3.12")))
    assert why.startswith("no Debian suite carries Python 3.12")
    assert "base: registry" in why


def test_one_bootstrap_gives_a_plain_image_and_one_with_packages() -> None:
    plain = [base_of_cells(python) for python in ("3.9", "3.13")]
    assert groups([*plain, *plain, LOADGEN, POSTGRES], "debian") == [
        (base_of_cells("3.13"), LOADGEN),
        (POSTGRES,),
        (base_of_cells("3.9"),),
    ]
    assert groups([*plain, LOADGEN], "registry") == [(x,) for x in (*plain, LOADGEN)]


def test_a_bootstraps_images_are_made_once(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = mmdebstrap(monkeypatch, tmp_path)
    requests = (base_of_cells("3.13"), LOADGEN)
    first = made(engine, *requests)
    assert made(engine, *requests) == first
    assert len({image.reference for image in first}) == 2
    assert len(calls.read_text().splitlines()) == 1
    del engine.known_images[first[1].reference]
    made(engine, *requests)
    assert "py3.13.tar" not in calls.read_text().splitlines()[1]


def test_another_recipe_is_another_image(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mmdebstrap(monkeypatch, tmp_path)
    before = made(engine, PYTHON)
    monkeypatch.setattr(suites, "PACKAGES", (*suites.PACKAGES, "netbase"))
    assert made(engine, PYTHON)[0].reference != before[0].reference


def test_packages_of_another_image_come_after_the_plain_one_is_written(tmp_path: Path) -> None:
    archives = {tmp_path / "plain": (), tmp_path / "more": ("apache2-utils",)}
    command = mmdebstrap_command("3.11", archives, allow_expired=False)
    hooks = [word for word in command if word.startswith("--customize-hook=")]
    assert [("apt-get" in hook, hook.split()[-2]) for hook in hooks] == [
        (False, f"--file={tmp_path}/plain"),
        (True, "install"),
        (False, f"--file={tmp_path}/more"),
    ]
    include = next(word for word in command if word.startswith("--include="))
    assert "apache2-utils" not in include
    assert hooks[1].endswith(" install apache2-utils")


def test_mmdebstrap_filters_no_package() -> None:
    """Each package would start a Python program, for half of a bootstrap's time."""
    command = mmdebstrap_command("3.13", {Path("x"): ()}, allow_expired=False)
    assert "path-exclude" not in " ".join(command)


@pytest.mark.parametrize(
    ("python", "allowed", "accepted"),
    [("3.13", False, False), ("3.13", True, True), ("3.14", False, True)],
)
def test_an_expired_suite_is_accepted_if_the_file_says_so_or_it_is_not_released(
    python: str, allowed: bool, accepted: bool
) -> None:
    command = mmdebstrap_command(python, {Path("x"): ()}, allow_expired=allowed)
    assert ('--aptopt=Acquire::Check-Valid-Until "false"' in command) is accepted


def test_a_suite_that_still_changes_gives_the_python_that_was_asked_for(tmp_path: Path) -> None:
    released = mmdebstrap_command("3.13", {tmp_path: ()}, allow_expired=False)
    assert any(word.startswith("--include=python3,") for word in released)
    moving = mmdebstrap_command("3.14", {tmp_path: ()}, allow_expired=False)
    assert any(word.startswith("--include=python3.14,") for word in moving)
    hooks = [word.partition("=")[2] for word in moving if word.startswith("--customize-hook=")]
    assert hooks[0] == 'ln -sf python3.14 "$1"/usr/bin/python3'
    assert hooks[1].startswith("tar ")


@pytest.mark.parametrize("python", ["3.13", "3.14"])
def test_a_run_says_which_pythons_are_of_a_suite_that_is_not_released(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, python: str
) -> None:
    mmdebstrap(monkeypatch, tmp_path, "exit 1")
    monkeypatch.setattr("runner.build.prepare.pack_all", lambda *_: {})
    cell = replace(a_cell(), python=python)
    lock = Lock(request=cell.environment, platform="x86_64-manylinux_2_28", text=LOCK)
    said: list[str] = []
    with pytest.raises(EngineUnavailableError):
        prepare(
            engine,
            [cell],
            {cell.environment: lock},
            experiment="x",
            base=DEBIAN,
            cache=tmp_path,
            stages=Stages(said.append),
        )
    about = [line for line in said if "not released" in line]
    assert [line.startswith("Python 3.14 from forky: ") for line in about] == (
        [True] if python == "3.14" else []
    )


def test_an_expired_suite_names_the_setting(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mmdebstrap(monkeypatch, tmp_path, "echo 'E: Release file is not valid anymore' >&2; exit 1")
    assert "allow_expired: true" in str(failed(engine, base_of_cells("3.13")))


def test_apts_reason_is_given_and_not_the_last_that_failed_because_of_it(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = """\
case "$*" in *--quiet*) ;; *) echo 'E: Unable to locate package python3.14';; esac
echo 'E: setup failed' >&2; exit 1"""
    mmdebstrap(monkeypatch, tmp_path, script)
    why = str(failed(engine, base_of_cells("3.14")))
    assert why == (
        "Debian's forky could not be bootstrapped: E: Unable to locate package python3.14"
    )


def test_why_a_mirror_cannot_be_reached_is_given_without_its_name(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = """\
echo 'Err:1 http://localhost/debian trixie InRelease'
echo "  Temporary failure resolving 'localhost'"
echo -n 'E: Failed to fetch http://localhost/debian/dists/trixie/InRelease'
echo "  Temporary failure resolving 'localhost'"
echo 'E: mmdebstrap failed to run' >&2; exit 1"""
    mmdebstrap(monkeypatch, tmp_path, script)
    assert str(failed(engine, base_of_cells("3.13"))) == (
        "Debian's trixie could not be bootstrapped: E: Failed to fetch the mirror Temporary "
        "failure resolving 'the mirror'"
    )


@pytest.mark.parametrize(("free", "made"), [([0], False), ([1 << 40, 0], True)])
def test_a_full_disk_for_temporary_files_is_named(
    engine: MemoryEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    free: list[int],
    *,
    made: bool,
) -> None:
    """It is seen before any work where it can be, and else in place of what tar says."""
    calls = mmdebstrap(monkeypatch, tmp_path, 'touch "${0%/*}/calls"; echo "E: tar" >&2; exit 1')
    left = iter(free)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(left)))
    with pytest.raises(EngineUnavailableError, match=r"0 MiB free, .* set TMPDIR"):
        ensure_bases(engine, [PYTHON], "debian", DEBIAN)
    assert calls.exists() is made


def test_the_reason_does_not_name_the_mirror(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = "Err:1 http://localhost:3142/debian trixie InRelease could not connect"
    mmdebstrap(monkeypatch, tmp_path, f"echo '{line}'; exit 1")
    assert str(failed(engine, base_of_cells("3.13"))).endswith(
        ": Err:1 the mirror trixie InRelease could not connect"
    )


@pytest.mark.parametrize("memory_kib", [0, 1 << 40])
def test_a_bootstrap_works_with_much_memory_and_with_little(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memory_kib: int
) -> None:
    mmdebstrap(monkeypatch, tmp_path)
    monkeypatch.setattr(suites, "_available_memory_kib", lambda: memory_kib)
    assert made(engine, PYTHON)[0].origin == "debian"


def test_where_nothing_may_be_mounted_a_bootstrap_is_on_disk(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mmdebstrap(monkeypatch, tmp_path)
    refuses = tmp_path / "bin" / "unshare"
    refuses.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2; exit 1\n")
    refuses.chmod(0o755)
    assert made(engine, PYTHON)[0].origin == "debian"


@pytest.mark.parametrize(
    ("which", "user", "message"),
    [(None, 0, "apt-get install mmdebstrap"), ("/usr/bin/mmdebstrap", 1000, "needs root")],
)
def test_without_the_tool_or_root_it_says_what_to_type(
    engine: MemoryEngine,
    monkeypatch: pytest.MonkeyPatch,
    which: str | None,
    user: int,
    message: str,
) -> None:
    monkeypatch.setattr("runner.build.suites.shutil.which", lambda _: which)
    monkeypatch.setattr("runner.build.suites.os.geteuid", lambda: user)
    with pytest.raises(EngineUnavailableError, match=message):
        ensure_bases(engine, [PYTHON], "debian", DEBIAN)


@pytest.mark.parametrize(
    ("script", "within_s", "message"),
    [
        ("echo 'E: apt-get update failed' >&2; exit 25", 60, "E: apt-get update failed"),
        ("exec sleep 60", 0.5, "was not bootstrapped within"),
    ],
)
def test_a_run_without_a_sidecar_ends_with_one_message(
    engine: MemoryEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    script: str,
    within_s: float,
    message: str,
) -> None:
    mmdebstrap(monkeypatch, tmp_path, script)
    monkeypatch.setattr(suites, "TIMEOUT_S", within_s)
    with pytest.raises(EngineUnavailableError, match=message) as caught:
        prepare(
            engine,
            [],
            {},
            experiment="x",
            base=DEBIAN,
            cache=tmp_path,
            stages=Stages(lambda _: None),
        )
    assert caught.value.exit_code == 3


def test_a_registrys_python_gets_the_packages_by_a_build(engine: MemoryEngine) -> None:
    registry = Base(kind="registry")
    engine.known_images["python:3.13-slim"] = EngineImage(id="sha256:registry")
    plain, loadgen = made(engine, base_of_cells("3.13"), LOADGEN, base=registry)
    assert (plain.image_id, plain.origin) == ("sha256:registry", "registry")
    assert (loadgen.origin, engine.calls["build"]) == ("registry", 1)


def test_what_cannot_be_pulled_is_not_to_be_had(engine: MemoryEngine) -> None:
    error = ensure_bases(engine, [PYTHON], "registry", Base(kind="registry"))[PYTHON]
    assert isinstance(error, NoBaseError)
    assert "python:3.11-slim cannot be pulled" in str(error)


def test_official_images_that_the_engine_has_are_pulled_again(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled: list[str] = []
    said: list[str] = []

    def pull(reference: str) -> str:
        pulled.append(reference)
        if "3.13" in reference:
            raise EngineError("no registry")
        return "sha256:new"

    monkeypatch.setattr(engine, "pull", pull)
    for python in ("3.11", "3.13"):
        engine.known_images[f"python:{python}-slim"] = EngineImage(id="sha256:old")
    pull_again(engine, ["3.11", "3.12", "3.13"], Base(kind="debian"), said.append)
    assert pulled == []
    pull_again(engine, ["3.11", "3.12", "3.13"], Base(kind="auto"), said.append)
    assert pulled == ["python:3.11-slim", "python:3.13-slim"]
    assert said == [
        "the engine's own python:3.13-slim is used, for it cannot be pulled again (no registry)"
    ]


def test_another_official_image_makes_others_of_what_is_built_upon_it(engine: MemoryEngine) -> None:
    registry = Base(kind="registry")
    names = set()
    for layer in ("a", "b"):
        engine.known_images["python:3.13-slim"] = EngineImage(id="sha256:x", layers=(layer,))
        plain, loadgen = made(engine, base_of_cells("3.13"), LOADGEN, base=registry)
        names |= {plain.key, loadgen.reference}
    assert len(names) == 4


def test_equal_packages_are_equal_bases_whatever_the_engine_calls_them(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mmdebstrap(monkeypatch, tmp_path)
    first = made(engine, PYTHON)[0]
    stored = engine.known_images.pop(first.reference)
    again = made(engine, PYTHON)[0]
    assert again.key == first.key
    monkeypatch.setattr(bases, "installed", lambda _: ["python3 4 amd64"])
    engine.known_images.pop(first.reference)
    assert made(engine, PYTHON)[0].key != first.key
    unlabelled = {n: v for n, v in stored.labels.items() if n != bases.CONTENT_LABEL}
    engine.known_images[first.reference] = replace(stored, config={"Labels": unlabelled})
    assert made(engine, PYTHON)[0].key, "one of an earlier release is made again"


def test_packages_are_read_from_the_archive(tmp_path: Path) -> None:
    status = (
        b"Package: b\nVersion: 2\nArchitecture: all\nDescription: x\n y: z\n\n"
        b"Package: a\nVersion: 1-1\nArchitecture: amd64\n"
    )
    archive = tmp_path / "root.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(status)
        tar.addfile(member, io.BytesIO(status))
    assert installed(archive) == ["a 1-1 amd64", "b 2 all"]


# -- with packages of an application ---------------------------------------------------------------


def test_each_set_of_packages_is_an_image_of_its_own(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mmdebstrap(monkeypatch, tmp_path)
    several = [base_of_cells("3.11", names) for names in ([], ["git"], ["git", "file"], ["file"])]
    assert base_of_cells("3.11", ["file", "git", "git"]) == several[2]
    assert len({request.name for request in several}) == 4, "archives are named so"
    found = [made(engine, request)[0] for request in several]
    assert len({image.reference for image in found}) == 4


@pytest.mark.parametrize(
    "apt",
    ["Unable to locate package libmagick1", "Package 'libmagick1' has no installation candidate"],
)
def test_a_package_that_does_not_exist_is_named_with_its_key(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, apt: str
) -> None:
    script = f'echo "E: {apt}" >&2; echo "E: mmdebstrap failed to run" >&2; exit 1'
    mmdebstrap(monkeypatch, tmp_path, script)
    assert str(failed(engine, base_of_cells("3.11", ["libmagick1", "git"]))) == (
        "`application.debian`: Debian's bookworm, which Python 3.11 comes from, has no package "
        "libmagick1; correct the name, or leave it out"
    )
    assert "could not be bootstrapped" in str(failed(engine, base_of_cells("3.11", ["git"])))
    assert "could not be bootstrapped" in str(
        failed(engine, replace(POSTGRES, packages=("libmagick1",)))
    )


def test_a_package_that_a_registrys_image_does_not_find_is_named_too(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> str:
        raise EngineError("Step 4/4 : RUN apt-get\nE: Unable to locate package libmagick1\n")

    monkeypatch.setattr(engine, "build", build)
    engine.known_images["python:3.11-slim"] = EngineImage(id="sha256:registry")
    request = base_of_cells("3.11", ["libmagick1"])
    error = ensure_bases(engine, [request], "registry", Base(kind="registry"))[request]
    assert isinstance(error, NoBaseError)
    assert str(error).startswith("`application.debian`: python:3.11-slim, which Python 3.11 comes")
