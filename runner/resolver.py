"""uv, which resolves and installs: how it is run, what it answers, and what its messages mean.

Wheels only: nothing is compiled, so nothing of the host can leak into a cell. A set that has no
wheels for its Python is a finding (`Unavailable`), an index that does not answer is an error.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import uv
from packaging.utils import canonicalize_name

from runner.errors import EngineUnavailableError, IndexUnavailableError, SpecError
from runner.matrix.cell import EnvironmentRequest

TIMEOUT_S = 120
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)
UNREACHABLE = re.compile(
    r"failed to fetch|error sending request|dns error|connection|timed out|request failed|network",
    re.IGNORECASE,
)
UNKNOWN = re.compile(r"(?P<what>\S+) was not found in the (?:package registry|provided package)")
#: What uv says when it reached the index and reasoned: names in it are packages, never the network.
RESOLVED = "No solution found"
FREE_THREADED = "t"
NO_VERSION = re.compile(r"there is no version of (?P<what>\S+?)(?:,| and|$)")


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """One distribution of a lock; `text` is its requirement with hashes."""

    name: str
    version: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Built:
    """A distribution without a wheel in the index, built in a container.

    `origin` says from what, without passwords: `sdist sha256:…`, `git <address>@<commit>`, `the
    project itself`. `digest` is a SHA-256 over that and over how it was built; `wheel` is the file
    in the cache.
    """

    name: str
    version: str
    origin: str
    digest: str
    wheel: Path = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name}=={self.version}, built from {self.origin}"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """`text` is a requirements file with hashes and without addresses, of what the index has."""

    request: EnvironmentRequest
    platform: str
    text: str
    built: tuple[Built, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all that decides what is installed."""
        built = "".join(f"{one.name}=={one.version} {one.digest}\n" for one in self.built)
        return hashlib.sha256(
            f"{self.request.python} {self.platform}\n{self.text}{built}".encode()
        ).hexdigest()

    @property
    def shown(self) -> str:
        """The requirements file, with a comment for each distribution that was built."""
        return self.text + "".join(f"# {one}\n" for one in self.built)

    @cached_property
    def pinned(self) -> tuple[Pinned, ...]:
        """Every distribution that the index has as a wheel, by its normalised name."""
        found = list(PINNED.finditer(self.text))
        ends = [*(match.start() for match in found[1:]), *([len(self.text)] if found else [])]
        return tuple(
            Pinned(
                name=match["name"].lower(),
                version=match["version"],
                text=self.text[match.start() : end],
            )
            for match, end in zip(found, ends, strict=True)
        )

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Exact version of every distribution."""
        found = {pinned.name: pinned.version for pinned in self.pinned}
        return found | {built.name: built.version for built in self.built}

    @property
    def key(self) -> str:
        """A short readable name for the environment: `py3.11-3f2a91c07b1d`."""
        return f"py{self.request.python}-{self.digest[:12]}"


@dataclass(frozen=True, kw_only=True)
class Unavailable:
    """No such set of distributions for this Python, in the resolver's words."""

    request: EnvironmentRequest
    reason: str


def requirements_text(request: EnvironmentRequest) -> str:
    """What an environment must hold, as a requirements file."""
    return "".join(f"{requirement}\n" for requirement in request.requirements)


@cache
def uv_binary() -> str:
    """Where uv's executable is."""
    return uv.find_uv_bin()


def uv_command(command: str, request: EnvironmentRequest, platform: str) -> list[str]:
    """What every call of `uv pip` here has in common.

    `--python` names this interpreter: without it uv looks for one of the cell's version, for ten
    seconds, though nothing of it is needed to resolve or to unpack wheels.
    """
    return [
        uv_binary(), "pip", command, "--python", sys.executable, "--no-python-downloads",
        "--only-binary", ":all:", "--python-version", request.python, "--python-platform", platform,
    ]  # fmt: skip


def run_uv(command: list[str], requirements: str = "") -> subprocess.CompletedProcess[str]:
    """Run uv; `IndexUnavailableError` when it does not end or cannot reach its index."""
    environment = os.environ | {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_HTTP_TIMEOUT": "30"}
    try:
        result = subprocess.run(
            command, input=requirements, capture_output=True, text=True, check=False,
            timeout=TIMEOUT_S, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise IndexUnavailableError(
            f"the package index did not answer within {TIMEOUT_S} s: check the network and the "
            "index this machine is configured to use, then run the same command again"
        ) from None
    if result.returncode and _is_unreachable(result.stderr):
        raise IndexUnavailableError(
            f"the package index cannot be reached ({without_addresses(causes(result.stderr))})"
            ": check the network and the index this machine is configured to use"
        )
    return result


def _is_unreachable(stderr: str) -> bool:
    """Whether uv failed for the network's sake; a package may be named `networkx`."""
    return RESOLVED not in stderr and UNREACHABLE.search(stderr) is not None


def free_threaded(request: EnvironmentRequest) -> Unavailable | None:
    """Why there is no environment for a free-threaded Python; None for the usual build."""
    if not request.python.endswith(FREE_THREADED):
        return None
    python = request.python.removesuffix(FREE_THREADED)
    why = f"no base image has a free-threaded Python {python}: Debian's suites have the usual one"
    return Unavailable(request=request, reason=why)


def resolve(request: EnvironmentRequest, platform: str) -> Lock | Unavailable:
    """Ask uv for the exact, hashed set."""
    if found := free_threaded(request):
        return found
    command = uv_command("compile", request, platform)
    command += ["-", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
    command += ["--no-emit-index-url", "--no-emit-find-links"]
    if request.exclude_newer:
        command += ["--exclude-newer", request.exclude_newer]
    result = run_uv(command, requirements_text(request))
    if result.returncode == 0:
        return Lock(request=request, platform=platform, text=result.stdout)
    _refuse_impossible(request, result.stderr)
    refuse_unexplained(result, request.python)
    return Unavailable(request=request, reason=condense(result.stderr, request.python))


def refuse_unexplained(result: subprocess.CompletedProcess[str], python: str) -> None:
    """A failure without a reason in the packages: uv was killed, or its disk or cache failed."""
    if RESOLVED not in result.stderr:
        why = without_addresses(causes(result.stderr))
        raise EngineUnavailableError(
            f"uv could not resolve the packages for Python {python} (exit status "
            f"{result.returncode}: {why}); fix that, then run the same command again"
        )


def _refuse_impossible(request: EnvironmentRequest, stderr: str) -> None:
    """A package nobody has, or a version it never had, is a mistake in the matrix file."""
    text = " ".join(stderr.split())
    if match := UNKNOWN.search(text):
        name = match["what"].strip("`").split("==")[0]
        raise SpecError(
            f"there is no package {name!r}: fix its name under `axes` or `packages` in the "
            "matrix file"
        )
    match = NO_VERSION.search(text)
    if match and _is_asked_for(match["what"], request, text):
        dated = f" on {request.exclude_newer}" if request.exclude_newer else ""
        raise SpecError(
            f"there is no version {match['what'].strip('`')}{dated}: fix it in the matrix file, "
            "or move `exclude_newer`"
        )


def _is_asked_for(what: str, request: EnvironmentRequest, text: str) -> bool:
    """Whether the file names it; what only a dependency asks for is no mistake in the file."""
    name = canonicalize_name(re.split(r"[^A-Za-z0-9._-]", what.strip("`"))[0])
    named = {canonicalize_name(requirement.name) for requirement in request.requirements}
    return name in named and not re.search(rf"depends? on {re.escape(what)}", text)


def causes(stderr: str) -> str:
    """Why uv failed: the first explanation says what it was doing, the last one what is wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("cause:")]
    if not found:
        return (lines or ["uv printed nothing"])[0]
    return ": ".join(dict.fromkeys((found[0].rstrip(":"), found[-1])))


def without_addresses(text: str) -> str:
    """The text with every address in it replaced: results are published, mirrors are private."""
    return re.sub(r"https?://[^\s`]*[^\s`):,;]", "an address", text)


def condense(stderr: str, python: str) -> str:
    """What uv explained, in one line, without the conclusion that nothing can be done."""
    text = " ".join(line.strip() for line in stderr.splitlines())
    text = re.split(r"\bhint:", text)[0]
    match = re.search(r"(?:cause:|╰─▶|Because)\s*(.*)", text)
    reason = (match.group(0) if match else text).removeprefix("cause:").strip(" ╰─▶")
    reason = re.sub(r"^Because\s+", "", reason)
    reason = re.split(r",? we can conclude that", reason)[0]
    reason = re.sub(r"\s+and you require \S+$", "", reason.strip(" ,."))
    return f"{without_addresses(reason)} (Python {python})"
