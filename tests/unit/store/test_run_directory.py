from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.errors import UsageError
from runner.measurement.records import LAUNCH_SCHEMA, Canary
from runner.outcome import Outcome
from runner.store.records import RUN_SCHEMA, RunRecord
from runner.store.run_directory import RunDirectory, check_results, open_run
from tests.support.samples import LOCK, attempt, cell, launch, run_record, unavailable

ROOT = Path(__file__).resolve().parents[3]
NOON = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
NONE = cell("3.11", "none")
GEVENT = cell("3.11", "gevent", gevent="25.9.1")


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "results", "sleep", NOON)
    made.write_run(run_record(NONE, GEVENT))
    return made


def ignore(message: str) -> None:
    raise AssertionError(message)


def test_a_run_is_named_after_its_moment_in_utc(tmp_path: Path) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    made = [RunDirectory.create(tmp_path, "sleep", east).path for _ in range(3)]
    names = ["20261101T120000Z", "20261101T120000Z-2", "20261101T120000Z-3"]
    assert made == [tmp_path / "sleep" / name for name in names]
    assert all(path.is_dir() for path in made)


@pytest.mark.parametrize("name", ["sleep", "sleep/20261101T120000Z"])
def test_a_file_where_a_run_must_go(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match=r"20261101T120000Z: cannot be written"):
        RunDirectory.create(tmp_path, "sleep", NOON)


def test_a_run_comes_back_as_it_was_stored(directory: RunDirectory) -> None:
    record = run_record(
        NONE,
        GEVENT,
        missing=(
            unavailable(cell("3.9", "gevent", gevent="25.9.1"), "no wheel"),
            unavailable(cell("3.9", "none"), "disk", Outcome.BUILD_FAILED),
        ),
    )
    directory.write_run(record)
    for run in ("latest", str(directory.path)):
        opened = open_run(directory.results, run)
        assert opened.read_run() == record
        assert opened.run_id == "20261101T120000Z"


def test_a_run_of_the_first_schema_is_still_read(directory: RunDirectory) -> None:
    later = {"shard", "blocks"}
    first = run_record(NONE).model_dump(exclude=later) | {"schema_version": 1}
    assert first["environments"]["py3.11"]["lock"] == LOCK
    (directory.path / "run.json").write_text(json.dumps(first))
    assert directory.read_run() == run_record(NONE).model_copy(update={"schema_version": 1})
    made = launch(NONE).model_dump(mode="json", exclude={"block"}) | {"schema_version": 1}
    directory.write_launch(launch(NONE), {})
    (directory.launch_directory(NONE.id, 1) / "result.json").write_text(json.dumps(made))
    [read] = directory.launches(ignore)[NONE.id]
    assert read == launch(NONE).model_copy(update={"schema_version": 1})


@pytest.mark.parametrize("schema", range(1, LAUNCH_SCHEMA))
def test_older_launches_do_not_say_what_was_in_effect(directory: RunDirectory, schema: int) -> None:
    made = launch(NONE).model_dump(mode="json", exclude={"effects", "samples"})
    directory.write_launch(launch(NONE), {})
    path = directory.launch_directory(NONE.id, 1) / "result.json"
    path.write_text(json.dumps(made | {"schema_version": schema}))
    [read] = directory.launches(ignore)[NONE.id]
    assert (read.effects, read.samples) == (None, None)


def test_the_hashes_of_a_distribution_are_stored_once(directory: RunDirectory) -> None:
    run = run_record(NONE)
    locks = {
        "first": LOCK,
        "with another": f"blinker==1.9.0\n{LOCK}",
        "other hashes": LOCK.replace("00ff", "00ee"),
        "other layout": "flask==3.1.2 --hash=sha256:00ff\n\n",
        "empty": "",
    }
    only = run.environments["py3.11"]
    made = {key: only.model_copy(update={"lock": lock}) for key, lock in locks.items()}
    directory.write_run(run.model_copy(update={"environments": made}))
    assert directory.read_run().environments == made
    stored = json.loads((directory.path / "run.json").read_bytes())
    assert stored["distributions"]["flask==3.1.2"] == "sha256:00ff"
    assert [stored["environments"][key]["lock"] for key in locks] == [
        ["flask==3.1.2"],
        ["blinker==1.9.0", "flask==3.1.2"],
        locks["other hashes"],
        locks["other layout"],
        [],
    ]


@pytest.mark.parametrize("broken", ["write_launch", "write_run"])
def test_a_whole_run_is_stored_wholly_or_not_at_all(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    launches = [(launch(NONE, n), {"ab.txt": b"Server"}) for n in (1, 2)]
    other = RunDirectory.create(directory.results, "other", NOON)
    with monkeypatch.context() as patched:
        patched.setattr(RunDirectory, broken, interrupt)
        with pytest.raises(KeyboardInterrupt):
            other.write_whole(run_record(NONE), launches)
    assert not other.path.exists()
    assert open_run(directory.results, "latest").path == directory.path.resolve()
    other.write_whole(run_record(NONE), launches)
    assert len(other.launches(ignore)[NONE.id]) == 2
    assert open_run(directory.results, "latest").read_run().run_id == other.run_id


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_latest_follows_the_run_written_last(directory: RunDirectory) -> None:
    newer = RunDirectory.create(directory.results, "article", NOON)
    assert open_run(directory.results, "latest").path == directory.path.resolve()
    newer.write_run(run_record(NONE))
    assert (directory.results / "latest").readlink() == Path("article/20261101T120000Z")


def test_launches_come_back_as_they_were_stored(directory: RunDirectory) -> None:
    records = [launch(GEVENT, n, rate=40.0 + n) for n in range(1, 12)]
    hang = launch(NONE, outcome=Outcome.HANG_UNDER_LOAD, reason="no answer")
    for record in (*reversed(records), hang):
        directory.write_launch(record, {"ab.txt": b"Server\n", "requests.tsv.gz": b"\x1f\x8b"})
    assert directory.launches(ignore) == {GEVENT.id: records, NONE.id: [hang]}
    path = directory.launch_directory(GEVENT.id, 3)
    assert path == directory.path / "cells" / GEVENT.id / "launch-03"
    assert (path / "requests.tsv.gz").read_bytes() == b"\x1f\x8b"


def test_a_run_without_launches(directory: RunDirectory) -> None:
    assert directory.launches(ignore) == {}


def test_the_result_is_written_last_and_a_leftover_is_made_anew(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = directory.launch_directory(NONE.id, 1)
    replace = Path.replace

    def stop_at_result(self: Path, target: Path) -> Path:
        if target.name == "result.json":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop_at_result)
        with pytest.raises(KeyboardInterrupt):
            directory.write_launch(launch(NONE), {"ab.txt": b"1", "stacks.txt": b"2"})
    assert sorted(p.name for p in path.iterdir()) == ["ab.txt", "stacks.txt"]
    assert directory.launches(ignore) == {}

    directory.write_launch(launch(NONE), {"ab.txt": b"3"})
    assert sorted(p.name for p in path.iterdir()) == ["ab.txt", "result.json"]


def test_a_complete_launch_is_not_overwritten(directory: RunDirectory) -> None:
    directory.write_launch(launch(NONE, rate=1.0), {})
    with pytest.raises(FileExistsError):
        directory.write_launch(launch(NONE, rate=2.0), {})
    assert directory.launches(ignore) == {NONE.id: [launch(NONE, rate=1.0)]}


def test_a_cell_directory_that_cannot_be_made(directory: RunDirectory) -> None:
    (directory.path / "cells").write_text("")
    with pytest.raises(UsageError, match="launch-01: cannot be written"):
        directory.write_launch(launch(NONE), {})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "EOF while parsing"),
        ('{"cell": "x"', "EOF while parsing"),
        ('{"schema_version": 1}', "cell: Field required"),
        ("[]", "should be an object"),
        (launch(NONE, 1).model_dump_json().replace('"launch":1', '"launch":2'), "elsewhere"),
        (launch(NONE, 1).model_dump_json().replace('"attempt":1', '"attempt":NaN'), "attempt"),
        (launch(NONE, 1).model_dump_json().replace('_at":"2', '_at":"x2'), "isoformat"),
        (launch(NONE, 1).model_dump_json().replace('"wall_s":null', '"wall_s":NaN'), "wall_s"),
        (launch(NONE, 1).model_dump_json().replace('"wall_s":null', '"wall_s":1e101'), "wall_s"),
        (
            f'{{"schema_version": {LAUNCH_SCHEMA + 1}, "cell": "x", "new": 1}}',
            f"newer version .*schema {LAUNCH_SCHEMA + 1}, known up to {LAUNCH_SCHEMA}",
        ),
    ],
)
def test_a_damaged_result_is_reported_and_left_out(
    directory: RunDirectory, content: str, problem: str
) -> None:
    for number in (1, 2):
        directory.write_launch(launch(NONE, number), {})
    damaged = directory.launch_directory(NONE.id, 1) / "result.json"
    damaged.write_text(content)
    messages: list[str] = []
    assert directory.launches(messages.append) == {NONE.id: [launch(NONE, 2)]}
    assert len(messages) == 1
    assert messages[0].startswith(f"{damaged}: ")
    assert re.search(problem, messages[0])


def test_a_file_in_the_place_of_a_directory_holds_no_launches(directory: RunDirectory) -> None:
    (directory.path / "cells").write_bytes(b"")
    said: list[str] = []
    assert directory.launches(said.append) == {}
    assert [line.partition(": ")[2].partition(",")[0] for line in said] == ["this is a file"]


def test_damage_goes_to_standard_error_by_default(
    directory: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    directory.write_launch(launch(NONE), {})
    (directory.launch_directory(NONE.id, 1) / "result.json").write_bytes(b"\xff")
    assert directory.launches() == {}
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "launch-01/result.json: damaged" in printed.err


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", r"run\.json: damaged: Invalid JSON"),
        ('{"schema_version": 1, "run_id": 3}', r"run\.json: damaged: run_id"),
        ('{"schema_version": 9}', r"run\.json: written by a newer version .* update"),
        (
            '{"distributions": [], "environments": {"a": {"lock": ["b==1"]}}}',
            "damaged: Value error, the locks do not fit the distributions",
        ),
        (
            run_record(NONE).model_dump_json().replace('"shard":null', '"shard":"2"'),
            "damaged: shard",
        ),
    ],
)
def test_a_damaged_run_cannot_be_read(directory: RunDirectory, content: str, problem: str) -> None:
    (directory.path / "run.json").write_text(content)
    with pytest.raises(UsageError, match=problem):
        open_run(directory.results, "latest").read_run()


@pytest.mark.parametrize("final", [True, False])
def test_a_stored_record_can_be_completed(directory: RunDirectory, final: bool) -> None:
    record = launch(NONE).model_copy(update={"attempt": 2})
    store = directory.write_launch if final else directory.write_disturbed
    store(record, {"ab.txt": b"Finished"})
    complete = record.model_copy(update={"canary_after": Canary(wall_ms=50, cpu_ms=49)})
    directory.complete(complete, final=final)
    found = directory.launches().get(NONE.id) if final else directory.rejected().get(NONE.id)
    assert found == [complete]
    assert len(list(directory.path.rglob("ab.txt"))) == 1


def test_rejected_attempts_are_read_by_launch_and_attempt(directory: RunDirectory) -> None:
    made = [attempt(NONE, 1, 2), attempt(NONE, 1, 10), attempt(NONE, 2, 1)]
    for one in reversed(made):
        directory.write_disturbed(one, {})
    assert directory.rejected() == {NONE.id: made}
    assert directory.launches() == {}


def test_a_newer_run_that_happens_to_parse_is_refused(directory: RunDirectory) -> None:
    stored = run_record(NONE).model_dump(mode="json") | {"schema_version": RUN_SCHEMA + 1}
    (directory.path / "run.json").write_text(json.dumps(stored))
    with pytest.raises(UsageError, match=f"schema {RUN_SCHEMA + 1}, known up to"):
        open_run(directory.results, "latest").read_run()


def test_a_rate_without_its_seconds_is_damage(directory: RunDirectory) -> None:
    directory.write_run(run_record(NONE))
    path = directory.path / "run.json"
    path.write_text(path.read_text().replace('"rate": null', '"rate": 45', 1))
    with pytest.raises(UsageError, match="a rate without load_s"):
        directory.read_run()


def test_a_run_file_that_cannot_be_read(directory: RunDirectory) -> None:
    (directory.path / "run.json").unlink()
    (directory.path / "run.json").mkdir()
    with pytest.raises(UsageError, match=r"run\.json: cannot be read"):
        open_run(directory.results, "latest").read_run()


def test_a_run_directory_without_its_record(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run directory"):
        RunDirectory.create(tmp_path, "sleep", NOON).read_run()


def test_tables_are_stored_beside_the_record(directory: RunDirectory) -> None:
    directory.write_tables({"table.md": "| a |\n"})
    assert (directory.path / "table.md").read_text() == "| a |\n"
    assert sorted(p.name for p in directory.path.iterdir()) == ["run.json", "table.md"]


ENDLESS = """
import itertools, sys
from pathlib import Path
from runner.store.run_directory import RunDirectory
from tests.support.samples import LOCK, cell, launch

directory = RunDirectory(results=Path(sys.argv[1]), path=Path(sys.argv[2]))
for number in itertools.count(1):
    files = {f"{name}.txt": bytes(100_000) for name in "abcdef"}
    directory.write_launch(launch(cell("3.11", "none"), number), files)
    print(number, flush=True)
"""


@pytest.mark.parametrize("stored", [1, 3])
def test_a_killed_process_loses_at_most_the_launch_in_flight(
    directory: RunDirectory, stored: int
) -> None:
    command = [sys.executable, "-c", ENDLESS, str(directory.results), str(directory.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        for _ in range(stored):
            last = int(process.stdout.readline())
        process.kill()
    found = directory.launches(ignore)[NONE.id]
    assert [record.launch for record in found][:last] == [*range(1, last + 1)]
    for record in found:
        files = directory.files_of(record)
        assert {name: len(content) for name, content in files.items()} == dict.fromkeys(
            (f"{name}.txt" for name in "abcdef"), 100_000
        )
    directory.write_launch(launch(NONE, found[-1].launch + 1), {"ab.txt": b"again"})
    assert directory.files_of(launch(NONE, found[-1].launch + 1)) == {"ab.txt": b"again"}


def test_a_missing_results_directory_is_made_and_left_empty(tmp_path: Path) -> None:
    check_results(tmp_path / "a" / "results")
    assert list((tmp_path / "a" / "results").iterdir()) == []


@pytest.mark.parametrize("below", [".", "deeper/results"])
def test_results_that_are_a_file(tmp_path: Path, below: str) -> None:
    file = tmp_path / "results"
    file.write_text("")
    with pytest.raises(UsageError, match=r"results: is a file, not a directory; .*--results"):
        check_results(file / below)


def test_results_that_are_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"results: cannot be written \(File exists\)"):
        check_results(tmp_path / "results")


def test_results_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(UsageError, match=r"cannot be written \(Permission denied\); fix its perm"):
        check_results(tmp_path)


def test_results_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(UsageError, match="no room: 3 MiB free, 50 MiB needed"):
        check_results(tmp_path)


def test_latest_before_the_first_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no runs yet; `matrix run`"):
        open_run(tmp_path / "results", "latest")


def test_latest_whose_run_is_gone(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("sleep/20261101T120000Z")
    with pytest.raises(UsageError, match=r"no longer exists \(sleep/20261101T120000Z\)"):
        open_run(tmp_path, "latest")


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such run; pass `latest`"):
        open_run(tmp_path, str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["", "file"])
def test_a_path_that_is_not_a_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="not a run directory"):
        open_run(tmp_path, str(tmp_path / name))


def test_what_older_runs_call_order_is_the_placement() -> None:
    stored = json.loads(
        run_record(cell("3.11", "gevent"), axes=("python", "order")).model_dump_json()
    )
    assert stored["cells"][0].pop("placement", None) is None
    stored["cells"][0] |= {"order": "late", "axes": {"python": "3.11", "order": "late"}}
    stored["expect"] = [{"cells": {"order": "late"}}]
    stored["baseline"] = {"order": "first"}
    read = RunRecord.model_validate(stored)
    assert read.cells[0].placement == read.cells[0].axes["placement"] == "late"
    assert read.axes == ("python", "placement")
    assert (read.baseline, read.expect[0].cells) == ({"placement": "first"}, {"placement": "late"})
    assert RunRecord.model_validate_json(read.model_dump_json()) == read
