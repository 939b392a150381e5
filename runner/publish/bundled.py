"""The charts' libraries as one script, kept between publications: bundling takes seconds."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from runner.publish.charts.bundle import SNIPPET, vega_bundle
from runner.store.atomic import unwritable, write_atomic


def bundled(cache: Path) -> str:
    """The script, from the cache directory where this version's is there.

    Raises `UsageError` where the cache cannot be written.
    """
    made_of = f"{version('vl-convert-python')} {SNIPPET}"
    path = cache / f"charts-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.js"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        script = vega_bundle()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(cache, error) from error
    write_atomic(path, script)
    return script
