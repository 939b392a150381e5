"""A publication on disk: whole and new, or whole and as it was, whatever interrupts the writing.

Its files are written into a directory beside it, which then takes its name. They are not synced one
by one, as results are: they can be made again from the run at any time.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from runner.publish.files import record_path
from runner.publish.index import DIRECTORY, SUMMARY, index, summary
from runner.publish.page import page
from runner.publish.publication import Part, Publication
from runner.publish.readme import readme
from runner.report.formats import TABLE_SCHEMA, render
from runner.store.atomic import replace_directory, unwritable, write_atomic


def write(results: Path, published: Publication) -> Path:
    """Write the publication and the index of all; return the publication's directory.

    Raises `UsageError` where the disk refuses.
    """
    target = results / DIRECTORY / published.name
    beside = f".{published.name}.{{}}.tmp"
    staging = target.with_name(beside.format(secrets.token_hex(4)))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in target.parent.glob(beside.format("*")):
            shutil.rmtree(leftover)
        _fill(staging, published)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise unwritable(target, error) from error
    replace_directory(target, staging)
    shutil.rmtree(staging, ignore_errors=True)
    write_atomic(results / "README.md", index(results))
    return target


def _fill(directory: Path, published: Publication) -> None:
    made: set[Path] = set()
    for name, content in files(published):
        path = directory / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def files(published: Publication) -> Iterator[tuple[str, bytes | str]]:
    """Path in the publication, and content, of each of its files; last what waits for charts."""
    for part in published.parts:
        yield from _run(part)
    yield "README.md", readme(published)
    yield SUMMARY, summary(published).model_dump_json(indent=2) + "\n"
    yield from tables(published)
    yield "index.html", page(published)
    for chart in published.charts:
        yield f"charts/{chart.name}.svg", chart.svg
        yield f"charts/{chart.name}.png", chart.png


def tables(published: Publication) -> Iterator[tuple[str, str]]:
    """`table.json` and `table.csv`: a run's own, or those of several with the key `run` added."""
    if len(published.parts) == 1:
        source = published.parts[0].source
        for name, format_ in (("table.json", "json"), ("table.csv", "csv")):
            yield name, render(source.rows, source.run, format=format_)
        return
    rows = [
        {"run": part.source.label, **row.values()}
        for part in published.parts
        for row in part.source.rows
    ]
    content = {"schema": TABLE_SCHEMA, "experiment": published.name, "rows": rows}
    yield "table.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    text = io.StringIO()
    writer = csv.DictWriter(
        text, dict.fromkeys(k for row in rows for k in row), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    yield "table.csv", text.getvalue()


def _run(part: Part) -> Iterator[tuple[str, str]]:
    """The run itself, as `matrix table` and `matrix compare` can read it."""
    yield f"{part.prefix}run.json", part.run.model_dump_json(indent=2) + "\n"
    for cell in part.cells:
        for launch in cell.launches:
            yield record_path(launch), launch.record.model_dump_json(indent=2) + "\n"
            for file in launch.files:
                yield file.path, file.text
