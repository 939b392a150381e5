"""A publication on disk: whole and new, or whole and as it was, whatever interrupts the writing.

Its files are written into a directory beside it, which then takes its name.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from runner.measurement.diagnosis_record import DiagnosisRecord
from runner.measurement.records import LaunchRecord
from runner.publish.charts.style import on_paper, png
from runner.publish.index import DIRECTORY, SUMMARY, index, summary
from runner.publish.latency import CURVE, curve_text
from runner.publish.page import page, readme
from runner.publish.publication import Part, Publication
from runner.report.formats import TABLE_SCHEMA, render
from runner.store.atomic import replace_directory, unwritable, write_atomic
from runner.store.diagnoses import RECORD as DIAGNOSIS
from runner.store.diagnoses import diagnosis_path
from runner.store.records import RunRecord
from runner.store.run_directory import RESULT


def write(results: Path, published: Publication, *, with_png: bool = False) -> Path:
    """Write the publication and the list of all; return the publication's directory.

    Raises `UsageError` where the disk refuses.
    """
    target = results / DIRECTORY / published.name
    beside = f".{published.name}.{{}}.tmp"
    staging = target.with_name(beside.format(secrets.token_hex(4)))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in target.parent.glob(beside.format("*")):
            shutil.rmtree(leftover)
        _fill(staging, _files(published, with_png=with_png))
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise unwritable(target, error) from error
    replace_directory(target, staging)
    shutil.rmtree(staging, ignore_errors=True)
    write_atomic(results / "README.md", index(results))
    return target


def _fill(directory: Path, files: Iterable[tuple[str, bytes | str]]) -> None:
    made: set[Path] = set()
    for name, content in files:
        path = directory / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _files(published: Publication, *, with_png: bool) -> Iterator[tuple[str, bytes | str]]:
    """Path in the publication, and content, of each of its files."""
    yield "index.html", page(published)
    yield "README.md", readme(published)
    yield SUMMARY, summary(published).model_dump_json(indent=2) + "\n"
    yield from _tables(published)
    for part in published.parts:
        yield from _run(part)
    for chart in published.charts:
        picture = on_paper(chart.svg)
        yield f"charts/{chart.name}.svg", picture
        if with_png:
            yield f"charts/{chart.name}.png", png(picture)


def _tables(published: Publication) -> Iterator[tuple[str, str]]:
    """`table.json` and `table.csv`: a run's own, or those of several with the key `run` added."""
    if not published.has_several:
        run = published.parts[0].run
        for name, format_ in (("table.json", "json"), ("table.csv", "csv")):
            yield name, render(run, format=format_)
        return
    rows = [
        {"run": part.label, **row.values()} for part in published.parts for row in part.run.rows
    ]
    content = {"schema": TABLE_SCHEMA, "experiment": published.name, "rows": rows}
    yield "table.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    yield "table.csv", text.getvalue()


def _run(part: Part) -> Iterator[tuple[str, str]]:
    """The run itself, as `matrix table` and `matrix compare` can read it."""
    yield f"{part.prefix}run.json", _json(part.run.record)
    for of_cell in part.run.launches.values():
        for launch in of_cell:
            path = part.path(launch)
            yield f"{path}/{RESULT}", _json(launch)
            for name, text in part.files[path].items():
                yield f"{path}/{name}", text
    for found in part.run.diagnoses.values():
        yield f"{part.prefix}{diagnosis_path(found.cell)}/{DIAGNOSIS}", _json(found)
    for attempt in chain.from_iterable(part.run.rejected.values()):
        yield f"{part.rejected_path(attempt)}/{RESULT}", _json(attempt)
    for cell, curve in part.curves.items():
        yield f"{part.prefix}cells/{cell}/{CURVE}", curve_text(curve)


def _json(record: RunRecord | LaunchRecord | DiagnosisRecord) -> str:
    return record.model_dump_json(indent=2, exclude_unset=True) + "\n"
