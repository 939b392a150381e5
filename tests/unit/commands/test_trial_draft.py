"""The matrix file that a command line comes to, and where `--write` puts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.commands.trial.draft import Draft
from runner.commands.trial.given import Given
from runner.commands.trial.write import with_experiment, write
from runner.errors import UsageError
from runner.matrix.application import Application, Service
from runner.matrix.file import load

GIVEN = {
    "app": "shop.wsgi:create_app('load')",
    "requirements": ("uv.lock", "redis>=5"),
    "variables": {"SECRET_KEY": "hunter22"},
    "before": ("flask db upgrade", 'echo "it\'s: #done"'),
    "debian": ("git",),
    "services": ("postgres", "up=grpc"),
    "include": ("version.py",),
    "python": "3.10",
    "chdir": "api",
    "flask_app": "shop.wsgi",
}


def draft(directory: Path, **changes: object) -> Draft:
    (directory / "shop.py").write_text("")
    return Draft(given=Given(directory=directory, **{**GIVEN, **changes}))  # type: ignore[arg-type]


def application(draft: Draft) -> Application:
    found = draft.file().experiment("try").application
    assert found
    return found


def test_everything_that_is_given_is_in_it_and_no_secret(tmp_path: Path) -> None:
    made = draft(tmp_path)
    found = application(made)
    assert str(found.app) == GIVEN["app"]
    assert found.requirements == GIVEN["requirements"]
    assert found.before == GIVEN["before"]
    assert (found.debian, found.include, found.chdir) == (("git",), ("version.py",), "api")
    assert dict(found.environment) == {"FLASK_APP": "shop.wsgi", "SECRET_KEY": "${SECRET_KEY}"}
    assert found.services == (
        Service(name="postgres", companion="postgres", ports=found.services[0].ports),
        Service(name="up", companion="grpc", ports=found.services[1].ports),
    )
    assert "hunter22" not in made.whole
    assert {cell.python for cell in made.file().experiment("try").cells} == {"3.10"}


def test_patches_and_servers(tmp_path: Path) -> None:
    made = draft(tmp_path)
    experiment = made.file().experiment("try")
    assert {(cell.patch, cell.server.name) for cell in experiment.cells} == {
        (patch, server)
        for patch in ("none", "gevent")
        for server in ("gunicorn-gthread", "gunicorn-gevent", "werkzeug")
        # gunicorn's gevent worker patches by itself, so that `gevent` is the same as `none`.
        if (patch, server) != ("gevent", "gunicorn-gevent")
    }
    assert (experiment.launches, experiment.least_launches, experiment.repeats) == (1, None, 0)
    with_grpc = replace(made, installs=frozenset({"grpcio"})).file().experiment("try")
    assert {cell.patch for cell in with_grpc.cells} == {"none", "gevent", "gevent+grpc"}
    assert len(with_grpc.cells) == 8


def test_without_a_source_nothing_is_copied(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    made = Draft(given=Given(directory=empty, app="ihatemoney.wsgi:application"))
    assert application(made).source is None
    (empty / "results").mkdir()
    assert application(made).source is None
    (empty / "shop.py").write_text("")
    assert application(made).source == "."


# -- where it is written ---------------------------------------------------------------------------


def test_a_new_file_is_one_that_matrix_run_takes(tmp_path: Path) -> None:
    assert write(tmp_path, draft(tmp_path).proper.text) == (
        "wrote matrix.yaml with the experiment 'try'"
    )
    experiment = load(tmp_path / "matrix.yaml").experiment()
    assert (experiment.name, experiment.least_launches, experiment.launches) == ("try", 3, 15)
    assert (tmp_path / "matrix.schema.json").exists()


EXISTING = {
    "last": "version: 1\nexperiments:\n  mine:\n    axes: {python: [3.11]}\n",
    "no line end": "version: 1\nexperiments:\n  mine:\n    axes: {python: [3.11]}",
    "something after it": "experiments:\n    mine:\n        axes:\n            python: [3.11]\n\n"
    "# the file\nversion: 1\n",
    "comments": "version: 1  # one\nexperiments:\n  # mine\n  mine:\n    axes: {python: [3.11]}\n"
    "    # axes\n",
}


@pytest.mark.parametrize("text", EXISTING.values(), ids=EXISTING)
def test_a_file_that_is_there_gets_it_at_the_end(tmp_path: Path, text: str) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(text)
    said = write(tmp_path, draft(tmp_path).text)
    assert said == "added the experiment 'try' to matrix.yaml"
    found = load(path)
    assert list(found.sections) == ["mine", "try"]
    assert found.default == "mine"
    assert found.experiment("try").application == application(draft(tmp_path))
    left = [line for line in path.read_text().splitlines() if line in text.splitlines()]
    assert set(text.splitlines()) <= set(left)


def test_an_experiment_of_that_name_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, draft(tmp_path).text)
    before = (tmp_path / "matrix.yaml").read_text()
    with pytest.raises(UsageError, match="has an experiment 'try' already"):
        write(tmp_path, draft(tmp_path, app="other:app").text)
    assert (tmp_path / "matrix.yaml").read_text() == before


def test_a_file_that_cannot_be_added_to_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    flow = "version: 1\nexperiments: {mine: {axes: {python: [3.11]}}}\n"
    path.write_text(flow)
    with pytest.raises(UsageError, match="cannot be added to; put this below") as error:
        write(tmp_path, draft(tmp_path).text)
    assert "app: " in str(error.value)
    assert path.read_text() == flow


def test_positions_of_a_longer_file_do_not_matter(tmp_path: Path) -> None:
    text = EXISTING["last"] + "  other:\n    extends: mine\n"
    changed = with_experiment(text, tmp_path / "matrix.yaml", "  try:\n    extends: mine\n")
    assert changed == text + "  try:\n    extends: mine\n"
