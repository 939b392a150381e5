"""What is in effect is shown where that is not what the patch mode says."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from runner.export import export
from runner.matrix import plugins
from runner.measurement.records import LaunchRecord, Patched
from runner.options import ExportFormat
from runner.report.formats import render
from runner.report.in_effect import explained, in_effect, patched_text
from runner.report.notes import notes
from runner.report.run import Run, collate
from runner.report.sentences import sentences
from runner.store.application_record import ApplicationRecord, BuiltRecord
from runner.store.records import CellRecord, RunRecord
from tests.support.own import ALL, GEVENT, MODULES, NONE, own_run, with_effects
from tests.support.samples import cell, launch

BY_APPLICATION = ALL.model_copy(update={"grpc": True, "psycopg2_wait_callback": True})
WORDS = "gevent (all), init_gevent, psycopg2 wait callback"
APPLICATION = ApplicationRecord(app="shop.wsgi:app")
NOTHING = Patched()
OF_SERVER = cell("3.11", "none", gevent="25.9.1", further={"server": "gunicorn-gevent"})


def collated(*launches: LaunchRecord, of: RunRecord | None = None) -> Run:
    by_cell: dict[str, list[LaunchRecord]] = {}
    for one in launches:
        by_cell.setdefault(one.cell, []).append(one)
    return collate(of or own_run(APPLICATION), by_cell)


def said(run: Run) -> dict[str, tuple[str, ...]]:
    return {note.heading: note.items for note in notes(run)}


def made(of: CellRecord, seen: Patched, number: int = 1, **effects: Any) -> LaunchRecord:
    return with_effects(launch(of, number), seen, **effects)


@pytest.mark.parametrize(
    ("patched", "text"),
    [
        (NOTHING, "nothing"),
        (Patched(gevent_version="25.9.1"), "gevent 25.9.1 imported"),
        (ALL, "gevent (all)"),
        (BY_APPLICATION, WORDS),
        (
            Patched(gevent_version="1", gevent_modules=tuple(m for m in MODULES if m != "ssl")),
            "gevent (all but ssl)",
        ),
        (Patched(gevent_version="1", gevent_modules=("time", "socket")), "gevent (socket, time)"),
        (Patched(gevent_version="1", gevent_modules=("queue",)), "gevent 1 imported"),
        (Patched(grpc=True, eventlet=True), "init_gevent, eventlet"),
    ],
)
def test_what_is_patched_in_words(patched: Patched, text: str) -> None:
    assert patched_text(patched) == text


def test_what_the_label_says_is_not_said_again() -> None:
    run = collated(made(NONE, NOTHING), made(GEVENT, ALL))
    assert [row.in_effect for row in run.rows] == [None, None]
    assert "In effect" not in said(run)
    assert "in effect" not in render(run, format="plain")


def test_what_is_not_known_is_not_said() -> None:
    run = collated(launch(NONE), launch(GEVENT))
    assert [row.in_effect for row in run.rows] == [None, None]


def test_what_an_application_patches_is_shown_in_every_form() -> None:
    run = collated(
        made(NONE, BY_APPLICATION, gunicorn_config="gunicorn.conf.py"), made(GEVENT, ALL)
    )
    none, gevent = run.rows
    assert (none.in_effect, none.in_effect_by) == (WORDS, "application")
    assert (gevent.in_effect, gevent.in_effect_by) == (None, None)
    table = render(run, format="plain")
    assert "in effect" in table.splitlines()[0] or "in effect" in table
    [line] = csv.DictReader(io.StringIO(render(run, format="csv")).readlines()[:2])
    assert (line["in_effect"], line["in_effect_by"]) == (WORDS, "application")
    content = json.loads(render(run, format="json"))
    assert content["rows"][0]["in_effect"] == WORDS
    assert [mode["in_effect"] for mode in content["modes"]] == [[WORDS], []]
    assert said(run)["In effect"] == (
        (
            f"{NONE.id}: {WORDS}, where the patch mode itself did nothing: by gunicorn.conf.py or "
            "the application"
        ),
    )


def test_a_baseline_that_is_more_than_its_label_is_said_where_it_is_compared() -> None:
    run = collated(made(NONE, BY_APPLICATION), made(GEVENT, ALL))
    [note] = said(run)["The baseline is more than its label"]
    assert note.startswith(f"{NONE.id}: {WORDS} in effect, by the application")
    assert (
        "The baseline is more than its label: " in render(run, format="plain").partition("p50")[0]
    )
    assert sentences(run)[0] == (
        f"`none` had {WORDS} in effect in 1 of 1 cell, which the patch mode did not do; it is no "
        "baseline without that."
    )


def test_a_patched_cell_with_more_than_its_label_is_no_baseline() -> None:
    run = collated(made(NONE, NOTHING), made(GEVENT, BY_APPLICATION))
    assert "The baseline is more than its label" not in said(run)
    assert sentences(run)[0].startswith(f"`gevent` had {WORDS} in effect in 1 of 1 cell")
    assert "no baseline" not in sentences(run)[0]


def test_a_server_that_patches_by_itself_is_expected_to() -> None:
    """It is said once, in a note, and neither a column nor a warning."""
    of_server = OF_SERVER.model_copy(update={"patch": "none"})
    run = own_run(APPLICATION).model_copy(update={"cells": (of_server,)})
    found = collated(made(of_server, ALL), of=run)
    [row] = found.rows
    assert (row.in_effect, row.in_effect_by) == ("gevent (all)", "server")
    assert said(found)["In effect"] == (
        (
            f"{of_server.id}: gevent (all): the server gunicorn-gevent does so by itself, as it is "
            "made to"
        ),
    )
    assert "The baseline is more than its label" not in said(found)
    heading = render(found, format="plain").splitlines()[0]
    assert "in effect" not in heading
    more = collated(made(of_server, BY_APPLICATION), of=run)
    assert more.rows[0].in_effect_by == "application"


def test_a_server_made_of_gevent_imports_it() -> None:
    imported = Patched(gevent_version="25.9.1")
    pywsgi = NONE.model_copy(update={"server": "pywsgi"})
    run = own_run(APPLICATION).model_copy(update={"cells": (pywsgi,)})
    assert collated(made(pywsgi, imported), of=run).rows[0].in_effect_by == "server"
    assert collated(made(NONE, imported)).rows[0].in_effect_by == "application"


def test_launches_that_differ_are_counted() -> None:
    launches = [made(NONE, ALL, 1), made(NONE, NOTHING, 2), made(NONE, ALL, 3)]
    assert in_effect(launches, NONE.server) == "gevent (all) (2 of 3 launches)"
    assert collated(*launches).rows[0].in_effect_by == "application"


def test_a_worker_class_of_the_users_is_suspected_first() -> None:
    own = "geventwebsocket.workers.GeventWebSocketWorker"
    run = collated(made(NONE, ALL, worker_class=own))
    assert said(run)["In effect"][0].endswith(f"by {own} or the application")
    of_gunicorn = collated(made(NONE, ALL, worker_class="gthread"))
    assert of_gunicorn.rows
    assert said(of_gunicorn)["In effect"][0].endswith("by the application")


def test_the_configuration_that_was_read_and_what_of_it_was_replaced() -> None:
    overridden = {"workers": "4 → 1", "worker_class": "sync → gthread"}
    run = collated(
        made(NONE, NOTHING, gunicorn_config="gunicorn.conf.py", overridden=overridden),
        made(GEVENT, ALL, gunicorn_config="gunicorn.conf.py", overridden=overridden),
    )
    assert said(run)["gunicorn's configuration"] == (
        (
            f"{NONE.id}, {GEVENT.id}: gunicorn.conf.py was read; replaced by the cell: "
            "workers 4 → 1, worker_class sync → gthread"
        ),
    )


def test_what_was_installed_is_a_note() -> None:
    run = own_run(APPLICATION)
    environment = run.environments["py3.11"].model_copy(
        update={
            "moved": ("greenlet 3.1.1 → 3.5.6, because of gevent==26.9.0",),
            "added": ("gunicorn==23.0.0",),
            "built": (BuiltRecord(name="debts", version="0.5", origin="sdist sha256:00ff"),),
            "of_another_python": True,
            "contradiction": "x needs y<2",
        }
    )
    found = collated(
        launch(NONE),
        launch(GEVENT),
        of=run.model_copy(update={"environments": {"py3.11": environment}}),
    )
    [note] = said(found)["Installed"]
    for words in (
        f"{NONE.id}, {GEVENT.id}: moved: greenlet 3.1.1 → 3.5.6, because of gevent==26.9.0",
        "added: gunicorn==23.0.0",
        "built: debts 0.5 from sdist sha256:00ff",
        "another Python",
        "contradiction: its versions were taken as they are: x needs y<2",
    ):
        assert words in note


def test_that_ceilings_come_from_a_lone_request_is_said_where_they_do() -> None:
    words = "ceilings follow from the time of a lone request"
    lone = launch(NONE).model_copy(update={"ceiling_lone_ms": 12.0})
    assert words in " ".join(said(collated(lone))["Measured"])
    assert words not in " ".join(said(collated(launch(NONE)))["Measured"])


@pytest.mark.parametrize("format_", ExportFormat)
def test_a_run_of_an_application_is_exported_like_any(format_: ExportFormat) -> None:
    own, ours = (
        collated(made(NONE, BY_APPLICATION), made(GEVENT, ALL), of=own_run(of))
        for of in (APPLICATION, None)
    )
    assert export(own, format_) == export(ours, format_)
    assert GEVENT.id in export(own, format_)


def test_servers_that_patch_by_themselves_say_so() -> None:
    servers = plugins.servers().items()
    assert {n for n, kind in servers if kind.patches_itself} == {"gunicorn-gevent", "uwsgi-gevent"}


def test_who_patched_is_named_by_its_place() -> None:
    seen = made(NONE, ALL, patched_by="locust/__init__.py:14")
    assert seen.effects is not None
    label = "where the patch mode itself did nothing: by locust/__init__.py:14"
    assert explained(seen.effects, "werkzeug") == f"gevent (all), {label}"
    by_app = explained(seen.effects, "werkzeug", "by-app")
    assert by_app == "gevent (all): by locust/__init__.py:14, as the matrix file says (`by-app`)"


def test_an_application_that_should_patch_itself_and_does_not_is_told() -> None:
    seen = made(NONE, NOTHING)
    assert seen.effects is not None
    assert "nothing is patched, although" in (explained(seen.effects, "werkzeug", "by-app") or "")
    assert explained(seen.effects, "werkzeug", None) is None


def test_eventlets_worker_does_as_it_is_made_to() -> None:
    seen = made(NONE, Patched(eventlet=True))
    assert seen.effects is not None
    assert "does so by itself" in (explained(seen.effects, "gunicorn-eventlet-w1") or "")
    assert "by the application" in (explained(seen.effects, "gunicorn-sync-w1") or "")
