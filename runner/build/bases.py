"""Base images: an interpreter each, from a registry or from Debian's own suites."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.build.recipe import KEY_LABEL, REPOSITORY, Image, Recipe, digest, ensure, labels
from runner.engine.protocol import Engine
from runner.errors import EngineError, EngineUnavailableError
from runner.matrix.cell import Base
from runner.paths import IMAGES
from runner.text import listed

#: Debian suites by the Python they carry.
SUITES: Final = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
#: Suites that are not released: which Python is their `python3` still changes, and a mirror's copy
#: of their package lists expires after a week.
MOVING: Final = frozenset({"forky"})
#: Beside the essential packages and Python: wheels for manylinux count on libstdc++.
PACKAGES: Final = ("ca-certificates", "libstdc++6", "tzdata")
TIMEOUT_S = 900
#: How apt says that a package does not exist, or has no version.
NO_PACKAGE: Final = re.compile(
    r"Unable to locate package (?P<plain>[^\s'\"]+)"
    r"|Package '(?P<quoted>[^']+)' has no installation candidate"
)
ADDRESS: Final = re.compile(r"\b[a-z]+://\S+")
#: What a cell never reads, what names this machine or its mirror, and what a container gets from
#: its engine. It is left out when the archive is written: dpkg's option `path-exclude` would make
#: mmdebstrap start a Python program for each package.
LEFT_OUT: Final = (
    "usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*", "usr/share/info/*",
    "etc/alternatives/*.gz", "etc/apt/sources.list", "etc/apt/sources.list.d/*",
    "etc/apt/apt.conf.d/*mmdebstrap", "etc/dpkg/dpkg.cfg.d/*mmdebstrap", "etc/resolv.conf",
    "etc/hostname", "etc/machine-id", "usr/sbin/policy-rc.d", "var/lib/apt/lists/*",
    "var/cache/apt/*", "var/cache/ldconfig/*", "var/log/*",
    "dev/*", "proc/*", "sys/*", "run/*", "tmp/*",
)  # fmt: skip
#: Where dpkg keeps what is installed.
STATUS: Final = "./var/lib/dpkg/status"
#: Of a base image: digest of its packages. Two that were made of the same ones differ in times.
CONTENT_LABEL: Final = "org.monkey-matrix.content"
#: In this suite a package that needs all of Perl merges /usr, and a hook of mmdebstrap does it
#: without; later suites come merged.
MERGED_BY_HOOK: Final = {"bookworm"}
MERGE_HOOK: Final = Path("/usr/share/mmdebstrap/hooks/merged-usr")
#: A bootstrap in memory is faster (no file is synced), but takes 400 MB.
LEAST_MEMORY_KIB: Final = 3 << 20


@dataclass(frozen=True, kw_only=True)
class BaseRequest:
    """A base image: a Python, and packages of the distribution, named in the matrix file or here.

    `named_in` is the key of the matrix file, which is to be corrected where one does not exist.
    """

    name: str
    python: str
    packages: tuple[str, ...] = ()
    named_in: str = ""


LOADGEN: Final = BaseRequest(name="loadgen", python="3.13", packages=("apache2-utils",))


def base_of_cells(python: str, debian: Iterable[str] = ()) -> BaseRequest:
    """The base image of the cells of a Python, with the packages that their application names."""
    packages = tuple(sorted(set(debian)))
    if not packages:
        return BaseRequest(name=f"py{python}", python=python)
    name = f"py{python}-{digest(packages)[:8]}"
    return BaseRequest(name=name, python=python, packages=packages, named_in="application.debian")


@dataclass(frozen=True, kw_only=True)
class BaseImage(Image):
    """An image with `python3` on its PATH. `origin` is `registry` or `debian`.

    `key` is a digest of its layers, or of its packages where it was made of Debian's.
    """

    origin: str


class NoBaseError(EngineError):
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
    if engine.image(reference):
        return "registry"
    try:
        engine.pull(reference)
    except EngineError:
        return "debian"
    return "registry"


def pull_again(
    engine: Engine, pythons: Iterable[str], base: Base, say: Callable[[str], None]
) -> None:
    """Bring the official images that the engine has up to date with the registry."""
    for reference in sorted({registry_reference(python, base) for python in pythons}):
        if base.kind == "debian" or engine.image(reference) is None:
            continue
        try:
            engine.pull(reference)
        except EngineError as error:
            say(f"the engine's own {reference} is used, for it cannot be pulled again ({error})")


def groups(requests: Iterable[BaseRequest], kind: str) -> list[tuple[BaseRequest, ...]]:
    """Divide the requests into jobs: one bootstrap gives a plain image and one with packages."""
    wanted = list(dict.fromkeys(requests))
    if kind == "registry":
        return [(request,) for request in wanted]
    plain = {request.python: request for request in wanted if not request.packages}
    found: list[tuple[BaseRequest, ...]] = []
    for request in wanted:
        if request.packages:
            below = plain.pop(request.python, None)
            found.append((below, request) if below else (request,))
    return [*found, *((request,) for request in plain.values())]


def ensure_bases(
    engine: Engine, requests: Sequence[BaseRequest], kind: str, base: Base
) -> dict[BaseRequest, BaseImage | EngineError]:
    """The images of a group of requests, made or pulled where the engine has none yet.

    `NoBaseError` stands for one that is not available. Raises `EngineUnavailableError` if this
    host lacks what it takes to make one.
    """
    make = _from_registry if kind == "registry" else _from_suite
    try:
        return make(engine, requests, base)
    except EngineError as error:
        return dict.fromkeys(requests, error)


def has_bases(engine: Engine, requests: Iterable[BaseRequest]) -> bool:
    """Whether the engine has the images of all requests, made of Debian's packages before."""
    return all(
        request.python in SUITES and _of_debian(engine, *_named(request)) is not None
        for request in requests
    )


# -- from a registry -------------------------------------------------------------------------------


def _from_registry(
    engine: Engine, requests: Sequence[BaseRequest], base: Base
) -> dict[BaseRequest, BaseImage | EngineError]:
    return {request: _pulled(engine, request, base) for request in requests}


def _pulled(engine: Engine, request: BaseRequest, base: Base) -> BaseImage:
    reference = registry_reference(request.python, base)
    found = engine.image(reference)
    try:
        image = found.id if found else engine.pull(reference)
    except EngineError as error:
        raise NoBaseError(f"{reference} cannot be pulled: {error}") from error
    if not request.packages:
        return _of_registry(engine, reference, image)
    dockerfile = (IMAGES / "base" / "Dockerfile").read_text(encoding="utf-8")
    below = _of_registry(engine, reference, image).key
    key = digest([reference, below, dockerfile, *request.packages])[:12]
    recipe = Recipe(
        reference=f"{REPOSITORY}/base:{request.name}-registry-{key}",
        kind="base",
        key=key,
        dockerfile=dockerfile,
        base=reference,
        arguments={"PACKAGES": " ".join(request.packages)},
    )
    try:
        made = ensure(engine, recipe)
    except EngineError as error:
        raise _without_package(request, reference, str(error)) or error from None
    return _of_registry(engine, made.reference, made.image_id)


def _of_registry(engine: Engine, reference: str, image_id: str) -> BaseImage:
    found = engine.image(image_id)
    key = digest((found and found.layers) or [image_id])
    return BaseImage(reference=reference, image_id=image_id, key=key, origin="registry")


# -- from Debian's suites --------------------------------------------------------------------------


def _from_suite(
    engine: Engine, requests: Sequence[BaseRequest], base: Base
) -> dict[BaseRequest, BaseImage | EngineError]:
    """All images of one suite, by one bootstrap."""
    python = requests[0].python
    if python not in SUITES:
        raise NoBaseError(
            f"no Debian suite carries Python {python} (they carry {', '.join(SUITES)}); "
            "`base: registry` takes it from a registry"
        )
    suite = SUITES[python]
    named = {request: _named(request) for request in requests}
    made = {request: _of_debian(engine, *named[request]) for request in requests}
    missing = [request for request, image in made.items() if image is None]
    with tempfile.TemporaryDirectory() as directory:
        archives = {request: Path(directory) / f"{request.name}.tar" for request in missing}
        if missing:
            try:
                _bootstrap(suite, archives, base)
            except NoBaseError as error:
                for request in missing:
                    if told := _without_package(request, f"Debian's {suite}", str(error)):
                        raise told from None
                raise
        for request, path in archives.items():
            reference, key = named[request]
            said = {**labels("base", key), CONTENT_LABEL: digest([key, *installed(path)])}
            with path.open("rb") as archive:
                engine.import_image(archive, reference, said)
            made[request] = _of_debian(engine, reference, key)
    return {request: image for request, image in made.items() if image}


def _named(request: BaseRequest) -> tuple[str, str]:
    """The name of the image that a bootstrap makes for a request, and the key in it."""
    suite = SUITES[request.python]
    packages = (interpreter(suite, request.python), *PACKAGES, *request.packages)
    key = digest([suite, *packages, *LEFT_OUT])[:12]
    return f"{REPOSITORY}/base:{request.name}-{suite}-{key}", key


def _of_debian(engine: Engine, reference: str, key: str) -> BaseImage | None:
    """The base where the engine has it, made of the same packages."""
    found = engine.image(reference)
    if found is None or found.labels.get(KEY_LABEL) != key:
        return None
    content = found.labels.get(CONTENT_LABEL)
    if content is None:
        return None
    return BaseImage(reference=reference, image_id=found.id, key=content, origin="debian")


def installed(archive: Path) -> list[str]:
    """The packages of a Debian root file system in a tar archive, each with its version."""
    with tarfile.open(archive) as tar:
        status = tar.extractfile(STATUS)
        text = status.read().decode("utf-8", "replace") if status else ""
    return sorted(_packages(text))


def _packages(status: str) -> Iterator[str]:
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
        if "Package" in fields:
            yield " ".join(fields.get(n, "") for n in ("Package", "Version", "Architecture"))


def interpreter(suite: str, python: str) -> str:
    """The package of a suite that has the Python."""
    return f"python{python}" if suite in MOVING else "python3"


def about_moving(pythons: Iterable[str]) -> str:
    """What to know of the Pythons that come from a suite which is not released; empty for none."""
    moving = [f"Python {p} from {SUITES[p]}" for p in pythons if SUITES.get(p) in MOVING]
    if not moving:
        return ""
    return (
        f"{', '.join(moving)}: a suite that is not released and changes daily. The expiry date of "
        "its package lists is not checked, so that a mirror's older copy of them will do"
    )


def mmdebstrap_command(
    suite: str, archives: Mapping[BaseRequest, Path], *, allow_expired: bool
) -> list[str]:
    """The command that writes the suite as tar archives, each with the packages of its request.

    It reads the machine's own configured mirror where that serves the suite's distribution; every
    trace of it is left out of the archives.
    """
    first, *others = archives
    python = interpreter(suite, first.python)
    command = ["mmdebstrap", "--variant=essential", "--format=null"]
    command += [f"--include={','.join((python, *PACKAGES, *first.packages))}"]
    command += ['--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io"]
    command += ["--skip=chroot/start-stop-daemon"]  # its stand-in would be in the archives
    if allow_expired or suite in MOVING:
        command += ['--aptopt=Acquire::Check-Valid-Until "false"']
    if suite in MERGED_BY_HOOK and MERGE_HOOK.is_dir():
        command += [f"--hook-dir={MERGE_HOOK}"]
    if suite in MOVING:
        command += [f'--customize-hook=ln -sf {python} "$1"/usr/bin/python3']
    command += [f"--customize-hook={_archived(archives[first])}"]
    for request in others:
        apt_get = 'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -oDPkg::Chroot-Directory="$1"'
        command += [f"--customize-hook={apt_get} --yes install {' '.join(request.packages)}"]
        command += [f"--customize-hook={_archived(archives[request])}"]
    return [*command, suite, "-"]


def _archived(path: Path) -> str:
    """The shell command that writes the file system as it is now."""
    left_out = " ".join(f"--exclude='./{pattern}'" for pattern in LEFT_OUT)
    return (
        'tar --directory="$1" --create --sort=name --numeric-owner --one-file-system '
        f"--anchored {left_out} --file={shlex.quote(str(path))} ."
    )


def _bootstrap(suite: str, archives: Mapping[BaseRequest, Path], base: Base) -> None:
    _require_mmdebstrap()
    command = mmdebstrap_command(suite, archives, allow_expired=base.allow_expired)
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as printed:
        Path(directory).chmod(0o755)  # apt reads it as a user of its own
        environment = {"TMPDIR": directory, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            result = subprocess.run(
                [*_in_memory(directory), *command], env=os.environ | environment, check=False,
                stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, timeout=TIMEOUT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NoBaseError(
                f"Debian's {suite} was not bootstrapped within {TIMEOUT_S} s: check the mirror "
                "that this machine is configured to use, then run the same command again"
            ) from None
        if result.returncode:
            printed.seek(0)
            raise NoBaseError(_why_no_suite(suite, printed.read().decode("utf-8", "replace")))


def _without_package(request: BaseRequest, where: str, why: str) -> NoBaseError | None:
    """The error where the reason is that a package of the request does not exist."""
    names = dict.fromkeys(
        match["quoted"] or match["plain"]
        for match in NO_PACKAGE.finditer(why)
        if (match["quoted"] or match["plain"]) in request.packages
    )
    if not names or not request.named_in:
        return None
    return NoBaseError(
        f"`{request.named_in}`: {where}, which Python {request.python} comes from, has no package "
        f"{listed(list(names))}; correct the name, or leave it out"
    )


def _in_memory(directory: str) -> list[str]:
    """What to put before a command so that its temporary files are in memory, where that can be.

    A mount that only the command sees needs a privilege that root in a container may lack.
    """
    mount = ["mount", "-t", "tmpfs", "tmpfs", directory]
    if _available_memory_kib() < LEAST_MEMORY_KIB or shutil.which("unshare") is None:
        return []
    if subprocess.run(["unshare", "--mount", *mount], capture_output=True, check=False).returncode:
        return []
    script = f'{shlex.join(mount)} && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


def _available_memory_kib() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1])
    return 0


def _why_no_suite(suite: str, printed: str) -> str:
    if "Valid-Until" in printed or "is expired" in printed or "not valid anymore" in printed:
        return (
            f"the Release file of Debian's {suite} has expired on this machine's mirror; "
            "`base: {kind: debian, allow_expired: true}` accepts it"
        )
    errors = [x.strip() for x in printed.splitlines() if x.startswith(("E:", "Err:"))]
    why = errors[0] if errors else printed[-200:].strip()
    # A cell's reason is published, and which mirror this machine uses is nobody's business.
    return f"Debian's {suite} could not be bootstrapped: {ADDRESS.sub('the mirror', why)}"


def _require_mmdebstrap() -> None:
    remedy = "or set `base: registry` and an engine that reaches one"
    if shutil.which("mmdebstrap") is None:
        raise EngineUnavailableError(
            "base images are made with mmdebstrap, which is not installed: "
            f"`apt-get install mmdebstrap`, {remedy}"
        )
    if os.geteuid() != 0:
        raise EngineUnavailableError(f"mmdebstrap needs root: run as root, {remedy}")
