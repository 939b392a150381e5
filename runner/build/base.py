"""Base images: an interpreter each, from a registry or from Debian's own suites."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

from runner.build.labels import KEY_LABEL, digest, labels
from runner.engine.protocol import Engine
from runner.errors import EngineError, EngineUnavailableError
from runner.matrix.cell import Base

#: Debian suites by the Python they carry.
SUITES = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
#: Suites whose Release file may have expired on a mirror that stands still.
UNRELEASED = {"forky"}
PYTHON_PACKAGES = ("python3", "ca-certificates")
TIMEOUT_S = 900
#: What a cell never reads, and what would name the mirror that this machine happens to use.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
HOST_TRACES = (
    "etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/resolv.conf", "etc/hostname", "var/lib/apt/lists", "var/cache/apt", "var/log",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """An image with `python3` on its PATH. `origin` is `registry` or `debian`."""

    reference: str
    image_id: str
    origin: str


class NoBaseError(Exception):
    """There is no base image for a Python; the message says why and what would help."""


def registry_reference(python: str, base: Base) -> str:
    """The official image of a Python, in the registry of the matrix file."""
    return f"{base.registry}python:{python}-slim"


def resolve_kind(engine: Engine, pythons: Iterable[str], base: Base) -> str:
    """`registry` or `debian`, one for all cells of a run: mixing them would confound it.

    `auto` takes the registry where one serves the first Python, and Debian otherwise. A pull fails
    at once where no registry can be resolved.
    """
    if base.kind != "auto":
        return base.kind
    reference = registry_reference(min(pythons), base)
    if engine.image_id(reference):
        return "registry"
    try:
        engine.pull(reference)
    except EngineError:
        return "debian"
    return "registry"


def ensure_base(engine: Engine, python: str, kind: str, base: Base) -> BaseImage:
    """The base image of a Python, made or pulled where the engine has none yet.

    Raises `NoBaseError` where there is none to be had, `EngineUnavailableError` where this host
    lacks what it takes to make one.
    """
    if kind == "registry":
        return _pulled(engine, registry_reference(python, base))
    if python not in SUITES:
        raise NoBaseError(
            f"no Debian suite carries Python {python} (they carry {', '.join(SUITES)}); "
            "`base: registry` takes it from a registry"
        )
    suite = SUITES[python]
    reference = f"monkey-matrix/base:py{python}-{suite}"
    return BaseImage(
        reference=reference,
        image_id=ensure_suite(engine, reference, suite, PYTHON_PACKAGES, base),
        origin="debian",
    )


def _pulled(engine: Engine, reference: str) -> BaseImage:
    image = engine.image_id(reference)
    if image is None:
        try:
            image = engine.pull(reference)
        except EngineError as error:
            raise NoBaseError(f"{reference} cannot be pulled: {error}") from error
    return BaseImage(reference=reference, image_id=image, origin="registry")


def ensure_suite(
    engine: Engine, reference: str, suite: str, packages: Iterable[str], base: Base
) -> str:
    """An image of a minimal Debian suite with some packages; return its id."""
    key = digest([suite, *packages])
    image = engine.image_id(reference)
    if image and engine.image_labels(reference).get(KEY_LABEL) == key:
        return image
    command = mmdebstrap_command(suite, packages, allow_expired=base.allow_expired)
    return _import(engine, command, reference, labels("base", key), suite)


def mmdebstrap_command(suite: str, packages: Iterable[str], *, allow_expired: bool) -> list[str]:
    """The command that writes the suite as a tar archive to standard output.

    It reads the machine's own configured mirror where that serves the suite's distribution, and
    removes every trace of it from the image.
    """
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    command += ['--aptopt=Acquire::Languages "none"']
    if allow_expired:
        command += ['--aptopt=Acquire::Check-Valid-Until "false"']
    traces = " ".join(f'"$1"/{path}' for path in HOST_TRACES)
    command += [f"--customize-hook=rm -rf {traces}", '--customize-hook=mkdir -p "$1"/var/log']
    return [*command, suite, "-"]


def _import(
    engine: Engine, command: list[str], reference: str, image_labels: dict[str, str], suite: str
) -> str:
    _require_mmdebstrap()
    with tempfile.TemporaryFile() as archive, tempfile.TemporaryFile() as said:
        try:
            result = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=archive, stderr=said, check=False,
                timeout=TIMEOUT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NoBaseError(
                f"Debian's {suite} was not bootstrapped within {TIMEOUT_S} s: check the mirror "
                "that this machine is configured to use, then run the same command again"
            ) from None
        if result.returncode:
            said.seek(0)
            raise NoBaseError(_why_no_suite(suite, said.read().decode("utf-8", "replace")))
        archive.seek(0)
        return engine.import_image(archive, reference, image_labels)


def _why_no_suite(suite: str, said: str) -> str:
    if "Valid-Until" in said or "is expired" in said or "not valid anymore" in said:
        return (
            f"the Release file of Debian's {suite} has expired on this machine's mirror; "
            "`base: {kind: debian, allow_expired: true}` accepts it"
        )
    last = [line.strip() for line in said.splitlines() if line.startswith(("E:", "Err:"))]
    return f"Debian's {suite} could not be bootstrapped: {last[0] if last else said[-200:].strip()}"


def _require_mmdebstrap() -> None:
    remedy = "or set `base: registry` and an engine that reaches one"
    if shutil.which("mmdebstrap") is None:
        raise EngineUnavailableError(
            "base images are made with mmdebstrap, which is not installed: "
            f"`apt-get install mmdebstrap`, {remedy}"
        )
    if os.geteuid() != 0:
        raise EngineUnavailableError(f"mmdebstrap needs root: run as root, {remedy}")
