"""Build a wheel in a container, on what is sent to it and nothing else.

Each line of standard input is a JSON object: the name of a step below and its arguments. The line
that answers it is a JSON object too. A build that fails is an answer, with what was printed.
Runs from Python 3.8 up on the standard library and pyproject_hooks, which is sent first.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path("/build")
TOOLS = ROOT / "tools"
SOURCE = ROOT / "source"
OUTPUT = ROOT / "output"
ENVIRONMENT = ROOT / "environment"
LOG = ROOT / "log"
#: How much of what was printed is told: its end, where the reason stands.
TOLD_BYTES = 1 << 16
CHUNK_BYTES = 1 << 20


def write(name: str, data: str) -> dict:
    """Append to a file."""
    with (ROOT / name).open("ab") as file:
        file.write(base64.b64decode(data))
    return {}


def read(name: str, start: int) -> dict:
    """Return a piece of a wheel that was built."""
    with (OUTPUT / name).open("rb") as file:
        file.seek(start)
        return {"data": base64.b64encode(file.read(CHUNK_BYTES)).decode()}


def unpack(name: str, kind: str) -> dict:
    """Unpack an archive: of `tools`, of `packages` that the build requires, or the `source`."""
    if kind == "packages":
        _extract(ROOT / name, site_packages(), "site/")
    else:
        _extract(ROOT / name, TOOLS if kind == "tools" else SOURCE, "")
    (ROOT / name).unlink()
    return {}


def site_packages() -> Path:
    """Where the environment of the build has its packages."""
    version = "{}.{}".format(*sys.version_info)
    return ENVIRONMENT / "lib" / f"python{version}" / "site-packages"


def _extract(archive: Path, target: Path, prefix: str) -> None:
    if zipfile.is_zipfile(str(archive)):
        with zipfile.ZipFile(str(archive)) as packed:
            packed.extractall(str(target))  # noqa: S202 - into a container that is thrown away
        return
    with tarfile.open(str(archive)) as packed:
        members = packed.getmembers()
        for member in members:
            member.name = member.name[len(prefix) :] if prefix else member.name
        packed.extractall(str(target), [m for m in members if m.name])  # noqa: S202


def _caller(build: dict) -> Any:  # noqa: ANN401 - its class is known later
    """Return what calls the hooks of a build, each in a process of the build's environment."""
    sys.path.insert(0, str(TOOLS / "site"))
    import pyproject_hooks  # noqa: PLC0415 - it is sent after the start

    top = next(path for path in SOURCE.iterdir() if path.is_dir())
    return pyproject_hooks.BuildBackendHookCaller(
        str(top / build["subdirectory"]),
        build["backend"],
        backend_path=build["backend_path"] or None,
        runner=_run,
        python_executable=str(ENVIRONMENT / "bin" / "python"),
    )


def _run(command: list, cwd: str | None = None, extra_environ: dict | None = None) -> None:
    """Run a hook; what it prints goes to the log, for standard output has the answers."""
    packages = site_packages()
    path = [ENVIRONMENT / "bin", packages / "bin", os.environ["PATH"]]
    variables = {"PATH": ":".join(map(str, path)), "VIRTUAL_ENV": str(ENVIRONMENT)}
    for name in ("HOME", "TMPDIR"):
        variables[name] = str(ROOT / name.lower())
        Path(variables[name]).mkdir(exist_ok=True)
    environment = {**os.environ, **variables, **(extra_environ or {})}
    with LOG.open("wb") as log:
        subprocess.run(
            command, cwd=cwd, env=environment, check=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


def requires(build: dict) -> dict:
    """Return what the build requires besides what its project states."""
    return {"requires": _caller(build).get_requires_for_build_wheel()}


def wheel(build: dict) -> dict:
    """Build it, and return the name and size of its file."""
    OUTPUT.mkdir(exist_ok=True)
    name = _caller(build).build_wheel(str(OUTPUT))
    return {"wheel": name, "size": (OUTPUT / name).stat().st_size}


STEPS = {step.__name__: step for step in (write, read, unpack, requires, wheel)}


def answer(line: str) -> dict:
    """Do a step. What goes wrong in code that was sent is no error of this program."""
    step, arguments = json.loads(line)
    try:
        return STEPS[step](**arguments)
    except Exception as error:  # noqa: BLE001 - a backend may raise anything
        printed = LOG.read_bytes()[-TOLD_BYTES:] if LOG.exists() else b""
        told = getattr(error, "traceback", None)  # of a backend that cannot be imported
        own = told or f"{type(error).__name__}: {error}"
        if isinstance(error, subprocess.CalledProcessError):
            own = ""
        return {"failed": step, "printed": printed.decode("utf-8", "replace") + "\n" + own}


def main() -> None:
    """Answer each line until there are no more."""
    TOOLS.mkdir()
    SOURCE.mkdir()
    venv.create(str(ENVIRONMENT), symlinks=True)
    for line in sys.stdin:
        print(json.dumps(answer(line)), flush=True)


if __name__ == "__main__":
    main()
