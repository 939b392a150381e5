"""A run's application in words: what it is, what was installed for it, what was asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from runner.matrix.placements import BY_APP
from runner.report.in_effect import Source, explained
from runner.report.row import Row
from runner.report.run import Run
from runner.store.application_record import ApplicationRecord, RequestRecord, ResponseRecord
from runner.store.records import EnvironmentRecord
from runner.text import counted, one_line

LONE_CEILING: Final = (
    "How long a request takes is not given: ceilings follow from the time of a lone request, "
    "measured in each launch."
)
#: How the body of the right answer was checked.
_CHECKED: Final = {
    "body": "exactly {!r}",
    "contains": "with {!r} in it",
    "matches": "matching {!r}",
    "json": "JSON with {}",
}


def facts(application: ApplicationRecord) -> Iterator[tuple[str, str]]:
    """The application as names and texts. Of what is secret there are only names."""
    yield "address", application.app
    yield "source", _source(application)
    if application.python:
        yield "its own Python", f"{application.python.text} ({application.python.place})"
    yield "requirements", _requirements(application)
    for name, texts in (
        ("Debian packages", application.debian),
        ("prepared by", application.prepare),
        ("before each launch", application.before),
    ):
        if texts:
            yield name, "; ".join(texts)
    if application.environment:
        yield "variables", _pairs(application.environment, "=")
    if application.secret_names:
        yield "secret", ", ".join(application.secret_names)
    yield "gunicorn's configuration", application.gunicorn_config or "what gunicorn finds itself"
    if application.worker_class:
        yield "worker class", application.worker_class
    if application.command:
        yield "started by", " ".join(application.command)
    if application.args:
        yield "gunicorn's arguments", " ".join(application.args)
    if application.services:
        yield (
            "services",
            "; ".join(f"{name}: {service}" for name, service in application.services.items()),
        )
    yield "request", request_text(application.request)
    yield "right answer", response_text(application.response)


def _source(application: ApplicationRecord) -> str:
    source = application.source
    if source is None:
        return "none, it is installed"
    where = "" if application.chdir == "." else f", started in {application.chdir}"
    return (
        f"{counted(source.files, 'file')}, {source.bytes:,} bytes, chosen by {source.rule}{where}; "
        f"sha256 {source.digest}"
    )


def _requirements(application: ApplicationRecord) -> str:
    words = [", ".join(application.requirements) or "none"]
    for name, chosen in (("extras", application.extras), ("groups", application.groups)):
        if chosen:
            words.append(f"{name} {', '.join(chosen)}")
    if application.installed_project:
        words.append("and the project itself")
    return "; ".join(words)


def _pairs(texts: dict[str, str], between: str) -> str:
    return ", ".join(f"{name}{between}{text}" for name, text in texts.items())


def request_text(request: RequestRecord) -> str:
    """`POST /orders, 9 bytes of application/json, headers Authorization`."""
    words = [f"{request.method} {request.path}"]
    if request.body_bytes is not None:
        kind = f" of {request.content_type}" if request.content_type else ""
        words.append(f"{counted(request.body_bytes, 'byte')}{kind}")
    if request.headers:
        words.append(f"with {', '.join(request.headers)}")
    return ", ".join(words)


def response_text(response: ResponseRecord) -> str:
    """`200 or 304, with 'ok' in it`."""
    statuses = " or ".join(map(str, response.statuses))
    if response.check is None:
        return f"{statuses}, any body"
    return f"{statuses}, {_CHECKED.get(response.check, '{}').format(response.text)}"


def installation(environment: EnvironmentRecord) -> Iterator[tuple[str, str]]:
    """What gave way, was added or built for an application, and what does not fit."""
    if environment.moved:
        yield "moved", "; ".join(environment.moved)
    if environment.added:
        yield "added", ", ".join(environment.added)
    if environment.built:
        texts = (f"{one.name} {one.version} from {one.origin}" for one in environment.built)
        yield "built", "; ".join(texts)
    if environment.of_another_python:
        yield "another Python", "the application's files are for another one: resolved for this one"
    if environment.contradiction:
        yield "contradiction", f"its versions were taken as they are: {environment.contradiction}"


# -- notes -----------------------------------------------------------------------------------------


def installed_of(run: Run, row: Row) -> str | None:
    """What a row's environment has that the application's files do not say."""
    environment = run.record.environments.get(run.cells[row.cell].environment or "")
    words = installation(environment) if environment else ()
    return "; ".join(f"{name}: {text}" for name, text in words) or None


def effect_of(run: Run, row: Row) -> str | None:
    """What is in effect instead of what the patch mode says, and by whom."""
    cell = run.cells[row.cell]
    effects = [one.effects for one in run.launches.get(row.cell, ()) if one.effects]
    return _distinct([explained(one, cell.server, cell.placement) for one in effects])


def configuration_of(run: Run, row: Row) -> str | None:
    """The gunicorn configuration that was read, and what of it the cell's settings replace."""
    effects = [one.effects for one in run.launches.get(row.cell, ()) if one.effects]
    return _distinct(
        [
            f"{one.gunicorn_config} was read"
            + (f"; replaced by the cell: {_pairs(one.overridden, ' ')}" if one.overridden else "")
            for one in effects
            if one.gunicorn_config
        ]
    )


def _distinct(texts: Sequence[str | None]) -> str | None:
    """The different texts; those that not all launches have, with how many have them."""
    found = dict.fromkeys(text for text in texts if text)
    several = len(texts) > 1
    words = (
        f"{text} ({texts.count(text)} of {counted(len(texts), 'launch')})"
        if several and texts.count(text) < len(texts)
        else text
        for text in found
    )
    return "; ".join(words) or None


def patched_baselines(run: Run) -> Iterator[str]:
    """A line for each thing that is in effect in baselines, where their application did it."""
    cells: dict[str, list[str]] = {}
    for row in {base.cell: base for base in run.baselines.values()}.values():
        if run.cells[row.cell].placement == BY_APP:
            continue
        if row.in_effect_by == Source.APPLICATION and row.in_effect:
            cells.setdefault(row.in_effect, []).append(row.cell)
    for text, ids in cells.items():
        yield one_line(
            f"{', '.join(ids)}: {text} in effect, by the application or its configuration; what is "
            "compared with it is not compared with what its patch mode says"
        )
