"""Debian's suites: the Python that each carries, and one bootstrapped by mmdebstrap."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runner.errors import EngineError, EngineUnavailableError

#: Debian suites by the Python they carry.
SUITES: Final = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
#: Suites that are not released: which Python is their `python3` still changes, and a mirror's copy
#: of their package lists expires after a week.
MOVING: Final = frozenset({"forky"})
#: Beside the essential packages and Python: wheels for manylinux count on libstdc++.
PACKAGES: Final = ("ca-certificates", "libstdc++6", "tzdata")
TIMEOUT_S = 900
#: Of the smallest archive, and what is left of a disk that an archive has filled.
ARCHIVE_BYTES: Final = 100 << 20
FULL_BYTES: Final = 16 << 20
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
#: Where dpkg lists what is installed.
STATUS: Final = "./var/lib/dpkg/status"
#: In this suite a package that needs all of Perl merges /usr, and a hook of mmdebstrap does it
#: without; later suites come merged.
MERGED_BY_HOOK: Final = {"bookworm"}
MERGE_HOOK: Final = Path("/usr/share/mmdebstrap/hooks/merged-usr")
#: A bootstrap in memory is faster (no file is synced), but takes 400 MB.
LEAST_MEMORY_KIB: Final = 3 << 20


def interpreter_package(python: str) -> str:
    """The package of Debian that has a Python."""
    return f"python{python}" if SUITES.get(python) in MOVING else "python3"


def about_moving(pythons: Iterable[str]) -> str:
    """What to know of the Pythons that come from a suite which is not released; empty for none."""
    moving = [f"Python {p} from {SUITES[p]}" for p in pythons if SUITES.get(p) in MOVING]
    if not moving:
        return ""
    return (
        f"{', '.join(moving)}: a suite that is not released and changes daily. The expiry date of "
        "its package lists is not checked, so that a mirror's older copy of them will do"
    )


def contents(python: str, packages: Iterable[str]) -> tuple[str, ...]:
    """What decides on the contents of an image of a Python, made of its suite."""
    return (SUITES[python], interpreter_package(python), *PACKAGES, *packages, *LEFT_OUT)


def bootstrap(python: str, archives: Mapping[Path, Sequence[str]], *, allow_expired: bool) -> None:
    """Write the suite of a Python as tar archives, each with the packages that it maps to.

    Raises `EngineError` if that fails, and `EngineUnavailableError` where this host cannot do it.
    """
    _require_mmdebstrap()
    _require_room(archives, ARCHIVE_BYTES * len(archives))
    suite = SUITES[python]
    command = mmdebstrap_command(python, archives, allow_expired=allow_expired)
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as printed:
        Path(directory).chmod(0o755)  # apt reads it as a user of its own
        environment = {"TMPDIR": directory, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            result = subprocess.run(
                [*_in_memory(directory), *command], env=os.environ | environment, check=False,
                stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, timeout=TIMEOUT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"Debian's {suite} was not bootstrapped within {TIMEOUT_S} s: check the mirror "
                "that this machine is configured to use, then run the same command again"
            ) from None
        if result.returncode:
            _require_room(archives, FULL_BYTES)  # where there is none, the reason may be cut off
            printed.seek(0)
            raise EngineError(_why_no_suite(suite, printed.read().decode("utf-8", "replace")))


def mmdebstrap_command(
    python: str, archives: Mapping[Path, Sequence[str]], *, allow_expired: bool
) -> list[str]:
    """The command that writes the suite of a Python as tar archives, each with its packages.

    It reads the machine's own configured mirror where that serves the suite's distribution; every
    trace of it is left out of the archives.
    """
    suite, interpreter = SUITES[python], interpreter_package(python)
    first, *others = archives
    command = ["mmdebstrap", "--variant=essential", "--format=null"]
    command += [f"--include={','.join((interpreter, *PACKAGES, *archives[first]))}"]
    command += ['--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io"]
    command += ["--skip=chroot/start-stop-daemon"]  # its stand-in would be in the archives
    if allow_expired or suite in MOVING:
        command += ['--aptopt=Acquire::Check-Valid-Until "false"']
    if suite in MERGED_BY_HOOK and MERGE_HOOK.is_dir():
        command += [f"--hook-dir={MERGE_HOOK}"]
    if suite in MOVING:
        command += [f'--customize-hook=ln -sf {interpreter} "$1"/usr/bin/python3']
    command += [f"--customize-hook={_archived(first)}"]
    for path in others:
        apt_get = 'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -oDPkg::Chroot-Directory="$1"'
        command += [f"--customize-hook={apt_get} --yes install {' '.join(archives[path])}"]
        command += [f"--customize-hook={_archived(path)}"]
    return [*command, suite, "-"]


def _archived(path: Path) -> str:
    """The shell command that writes the file system as it is now."""
    left_out = " ".join(f"--exclude='./{pattern}'" for pattern in LEFT_OUT)
    return (
        'tar --directory="$1" --create --sort=name --numeric-owner --one-file-system '
        f"--anchored {left_out} --file={shlex.quote(str(path))} ."
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
    errors = [x.strip() for x in printed.splitlines() if x.startswith("E:")]
    why = " ".join((errors[0] if errors else printed[-200:]).split())
    # A cell's reason is published, and which mirror this machine uses is nobody's business.
    hidden = ADDRESS.sub("the mirror", why)
    for host in {urlsplit(address).hostname for address in ADDRESS.findall(printed)} - {None}:
        hidden = re.sub(rf"\b{re.escape(str(host))}\b", "the mirror", hidden)
    return f"Debian's {suite} could not be bootstrapped: {hidden}"


def _require_mmdebstrap() -> None:
    remedy = "or set `base: registry` and an engine that reaches one"
    if shutil.which("mmdebstrap") is None:
        raise EngineUnavailableError(
            "base images are made with mmdebstrap, which is not installed: "
            f"`apt-get install mmdebstrap`, {remedy}"
        )
    if os.geteuid() != 0:
        raise EngineUnavailableError(f"mmdebstrap needs root: run as root, {remedy}")


def _require_room(archives: Iterable[Path], needed: int) -> None:
    for directory in {path.parent for path in archives}:
        if (free := shutil.disk_usage(directory).free) < needed:
            raise EngineUnavailableError(
                f"{directory.parent}: {free >> 20} MiB free, and base images are made there, of "
                f"{ARCHIVE_BYTES >> 20} MiB and more each: free some space, or set TMPDIR to a "
                "directory that has it"
            )


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
