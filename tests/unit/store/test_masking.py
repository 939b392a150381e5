"""No secret is in anything that is written, published, exported or printed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from runner.application.secret_values import Secrets
from runner.commands.publish import publish
from runner.commands.runs import exported, shown, stored_result, table_text
from runner.commands.underway import Underway, Watch
from runner.measurement.job import LaunchResult
from runner.measurement.records import LaunchRecord, Record
from runner.options import ExportFormat, Format
from runner.outcome import Outcome
from runner.progress import PlainReporter
from runner.store.masking import NAMES, masked
from runner.store.run_directory import RunDirectory
from tests.support.own import GEVENT, NONE, SECRET, in_any_form, leaking, own_run, recorded
from tests.support.samples import launch, unavailable

LOCK_WITH_A_NAME = "gevent==25.9.1 \\\n    --hash=sha256:00ff\n"
#: A header that a command printed, so that only the launch knows it.
PRINTED = "printed-by-a-command-9"
#: What is no name of cells, packages or keys; those are public, though a secret may be equal.
HIDDEN = {**SECRET, "printed": PRINTED, "a_name": "", "a_key": ""}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results directory with a run that tells its secrets wherever it can."""
    record, secrets = recorded(tmp_path / "project")
    told = "; ".join(SECRET.values())
    run = own_run(record).model_copy(
        update={
            "run_id": "20261103T120000Z",
            "command": ("matrix", "run", "-e", f"SECRET_KEY={SECRET['env_file']}"),
            "stopped": f"after {told}",
            "environments": {
                "py3.11": own_run(None)
                .environments["py3.11"]
                .model_copy(update={"lock": LOCK_WITH_A_NAME, "contradiction": told}),
            },
            "unavailable": (
                unavailable(
                    NONE.model_copy(update={"id": "gone"}),
                    SECRET["password"],
                    Outcome.BUILD_FAILED,
                ),
            ),
        }
    )
    said = io.StringIO()
    directory = RunDirectory(
        results=tmp_path / "results",
        path=tmp_path / "results" / "shop" / run.run_id,
        secrets=secrets,
    )
    directory.path.mkdir(parents=True)
    underway = Underway(directory=directory, record=directory.write_run(run))
    reporter = PlainReporter(Console(file=said, width=500))
    watch = Watch(underway=underway, reporter=reporter, earlier={}, launch_s=1.0)
    for final in (False, True):
        made, files = leaking(1)
        made = made.model_copy(update={"reason": f"{made.reason}; {PRINTED}"})
        files = {name: content + PRINTED.encode() for name, content in files.items()}
        own = Secrets(values=frozenset({PRINTED}))
        watch.end(LaunchResult(record=made, files=files, secrets=own), final)
        watch.complete(made, final)
    watch.end(LaunchResult(record=launch(NONE)), True)
    stored_result(directory, underway.record, underway.launches)
    (tmp_path / "results" / "said.txt").write_text(said.getvalue())
    return tmp_path / "results"


def leaks(content: bytes) -> list[str]:
    """The names of the secrets that are in a text in some form."""
    return [
        name
        for name, secret in HIDDEN.items()
        if secret and any(form in content for form in in_any_form(secret))
    ]


def test_no_file_of_a_run_or_of_its_publication_has_a_secret(results: Path) -> None:
    publish(results, [], None)
    files = [path for path in results.rglob("*") if path.is_file()]
    assert {"server.log", "index.html", "README.md", "run.json", "said.txt", "table.csv"} <= {
        path.name for path in files
    }
    assert {str(path): found for path in files if (found := leaks(path.read_bytes()))} == {}


def test_nothing_that_is_printed_or_exported_has_a_secret(results: Path) -> None:
    texts = [table_text(results, "latest", format_=name) for name in Format]
    texts += [exported(results, "latest", name, None) for name in ExportFormat]
    texts += [shown(results, "latest", GEVENT.id, lock=True)]
    assert [found for text in texts if (found := leaks(text.encode()))] == []
    assert "***" in texts[-1]


def test_a_launch_of_which_secrets_are_known_later_is_hidden_too(results: Path) -> None:
    """What a wave's end adds to a record does not bring back what was masked in it."""
    [path] = results.glob(f"shop/*/cells/{GEVENT.id}/launch-01/result.json")
    assert PRINTED not in path.read_text()
    assert "***" in json.loads(path.read_text())["reason"]


def test_what_is_kept_of_a_launch_until_its_wave_ends_is_hidden(tmp_path: Path) -> None:
    """Tables are made of it, also of a run that is interrupted before."""
    secrets = Secrets(values=frozenset(SECRET.values()))
    directory = RunDirectory(results=tmp_path, path=tmp_path / "shop" / "run", secrets=secrets)
    underway = Underway(directory=directory, record=own_run(None))
    reporter = PlainReporter(Console(file=io.StringIO()))
    watch = Watch(underway=underway, reporter=reporter, earlier={}, launch_s=1.0)
    watch.end(LaunchResult(record=leaking(1)[0]), True)
    [kept] = underway.launches
    assert leaks(kept.model_dump_json().encode()) == []


def test_names_stay_although_a_secret_is_equal_to_them(results: Path) -> None:
    """`gevent` in an env file must not make a run unreadable."""
    [path] = results.glob("shop/*/run.json")
    directory = RunDirectory(results=results, path=path.parent)
    run = directory.read_run()
    assert [cell.id for cell in run.cells] == [NONE.id, GEVENT.id]
    assert run.cells[1].packages == GEVENT.packages
    assert run.environments["py3.11"].lock == LOCK_WITH_A_NAME
    assert {*directory.launches()} == {NONE.id, GEVENT.id}
    assert directory.launches()[GEVENT.id][0].outcome is Outcome.CRASHED


def test_without_secrets_nothing_is_changed() -> None:
    record = leaking(1)[0]
    assert masked(record, Secrets()) is record


@pytest.mark.parametrize("record", NAMES, ids=lambda record: record.__name__)
def test_what_is_named_as_public_is_a_field(record: type[Record]) -> None:
    assert NAMES[record] <= {*record.model_fields}


def test_a_new_field_of_a_record_is_masked_unless_it_is_listed() -> None:
    class Later(LaunchRecord):
        note: str = ""

    later = Later(**launch(NONE).model_dump(), note="of secret-value")
    assert masked(later, Secrets(values=frozenset({"secret-value"}))).note == "of ***"
