"""A lock's distributions, unpacked on the host, ready to be copied into an image."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from runner.build.lock import Lock, first_cause, run_uv, uv_command, without_addresses
from runner.errors import EngineError


def install(lock: Lock, cache: Path) -> Path:
    """Return a directory with the lock's packages, unpacked once per lock and then reused.

    The directory appears whole or not at all. Raises `EngineError` with uv's reason.
    """
    directory = cache / "sites" / lock.digest
    if directory.exists():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=directory.parent))
    try:
        _unpack(lock, aside)
        _forget_host(aside)
        aside.chmod(0o755)
        aside.replace(directory)
    except OSError:
        if not directory.exists():  # otherwise another process was faster
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return directory


def _unpack(lock: Lock, directory: Path) -> None:
    command = uv_command("install", lock.request, lock.platform)
    command += ["--target", str(directory), "--require-hashes", "--no-deps", "--quiet"]
    command += ["--link-mode", "copy", "--requirement", "-"]
    result = run_uv(command, lock.text)
    if result.returncode:
        why = without_addresses(first_cause(result.stderr))
        raise EngineError(f"the locked packages could not be installed: {why}")


def _forget_host(directory: Path) -> None:
    """Remove what names this host: console scripts (their first line) and uv's own marks."""
    shutil.rmtree(directory / "bin", ignore_errors=True)
    for name in ("direct_url.json", "uv_cache.json", "REQUESTED"):
        for path in directory.glob(f"*.dist-info/{name}"):
            path.unlink()
    (directory / ".lock").unlink(missing_ok=True)
    for root, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = Path(root, name)
            runs = name in directories or path.stat().st_mode & 0o100
            wanted = 0o755 if runs else 0o644
            if path.stat().st_mode & 0o777 != wanted:
                path.chmod(wanted)
