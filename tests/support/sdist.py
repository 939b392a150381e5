"""A source distribution of the index, as data: nothing of it is run."""

from __future__ import annotations

import hashlib
import io
import ssl
import tarfile
import tempfile
import tomllib
import urllib.request
from pathlib import Path

from tests.support.archives import unpack as unpack_data
from tests.support.installed import UV, run

PROJECT = '[project]\nname = "wanted"\nversion = "0"\nrequires-python = ">=3.11"\n'


def unpack(requirement: str, sha256: str, directory: Path) -> None:
    """Put the files of `name==version` into a directory, as they are in the index's sdist."""
    with tempfile.TemporaryDirectory() as scratch:
        content = _read(_address(requirement, Path(scratch)))
    found = hashlib.sha256(content).hexdigest()
    assert found == sha256, f"the index has another sdist of {requirement}: {found}"
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        unpack_data(archive, directory)


def _address(requirement: str, scratch: Path) -> str:
    """Where the index that uv is configured to use has the sdist: a lock says so."""
    (scratch / "pyproject.toml").write_text(f"{PROJECT}dependencies = [{requirement!r}]\n")
    run(UV, "lock", "--quiet", cwd=scratch)
    lock = tomllib.loads((scratch / "uv.lock").read_text())
    name = requirement.partition("==")[0]
    (sdist,) = (package["sdist"] for package in lock["package"] if package["name"] == name)
    registry = next(p["source"]["registry"] for p in lock["package"] if p["name"] == name)
    return str(sdist.get("url") or scratch / registry / sdist["path"])


def _read(address: str) -> bytes:
    if "://" not in address:
        return Path(address).read_bytes()
    with urllib.request.urlopen(address, context=ssl.create_default_context()) as answer:
        return bytes(answer.read())
