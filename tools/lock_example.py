"""Lock `examples/shop`, without a word of where its packages came from.

uv writes the index that it was configured to use into `uv.lock`. What is committed names files and
hashes instead: uv takes a file's name for one in a directory that it may find them in, and reads
the lock as before.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import uv

SHOP = Path(__file__).resolve().parents[1] / "examples" / "shop"
INDEX = re.compile(r'registry = "[^"]*"')
ADDRESS = re.compile(r'url = "[^"]*/([^"/]+)"')


def without_addresses(lock: str) -> str:
    """A lock in which each file has its name alone."""
    return ADDRESS.sub(r'path = "\1"', INDEX.sub('registry = "packages"', lock))


def main() -> None:
    """Renew the lock."""
    path = SHOP / "uv.lock"
    path.unlink(missing_ok=True)
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=SHOP, check=True)
    path.write_text(without_addresses(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
