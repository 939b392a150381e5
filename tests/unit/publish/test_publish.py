"""`matrix publish`: what it writes, and what it leaves where it is stopped."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from runner.commands.imports import import_ab
from runner.commands.publish import checked_name, publish
from runner.commands.runs import compared, table_text
from runner.engine.protocol import ROOTLESS
from runner.errors import UsageError
from runner.measurement.diagnosis_record import BlockRecord, DiagnosisRecord
from runner.measurement.records import UNKNOWN_BOOT, LaunchRecord
from runner.outcome import Outcome
from runner.publish import evidence
from runner.publish import write as writing
from runner.publish.anonymise import public
from runner.publish.facts import ATTEMPTS, method, overview
from runner.publish.publication import LONGEST_BYTES, STACKS_IN_LOG, Publication, shortened
from runner.report.run import collate
from runner.store.diagnoses import diagnoses, write_diagnosis
from runner.store.import_ab import Shared
from runner.store.records import Block
from runner.store.run_directory import RunDirectory, open_run
from tests.support.published import NASTY, every_outcome, stored
from tests.support.samples import AXES, attempt, cell, launch, run_record

pytestmark = pytest.mark.usefixtures("plain_charts")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results directory with a run of every outcome, which is the latest."""
    monkeypatch.chdir(tmp_path)
    stored(tmp_path / "results", *every_outcome())
    return tmp_path / "results"


def second(results: Path, faster: float = 0.5) -> RunDirectory:
    """One more run of the same experiment, with other rates."""
    run, launches = every_outcome(launches=7, faster=faster)
    later = {"run_id": "20261102T120000Z", "started_at": "2026-11-02T12:00:00+00:00"}
    return stored(results, run.model_copy(update=later), launches)


def test_the_newest_run_is_published_under_its_experiments_name(results: Path) -> None:
    assert publish(results, [], None) == str(results / "published/sleep/index.html")
    published = results / "published/sleep"
    found = {str(p.relative_to(published)) for p in published.rglob("*") if p.is_file()}
    top = {"index.html", "README.md", "publication.json", "run.json", "table.csv", "table.json"}
    assert top | {"charts/figures.svg"} <= found
    hung = "cells/py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc/launch-01"
    assert {f"{hung}/{name}" for name in ("result.json", "stacks.txt", "server.log")} <= found
    worked = {name for name in found if name.startswith("cells/py3.11-none/")}
    assert {name.rpartition("/")[2] for name in worked} == {"result.json", "ab.txt", "latency.csv"}
    assert not any(name.endswith((".gz", ".png")) for name in found)


def test_a_log_has_no_copy_of_the_stacks(results: Path) -> None:
    hung = "cells/py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc/launch-01"
    launch = results / "latest" / hung
    stacks = (launch / "stacks.txt").read_text(encoding="utf-8")
    (launch / "server.log").write_text(f"started\n{stacks}stopped\n", encoding="utf-8")
    publish(results, [], None)
    published = results / "published/sleep" / hung
    assert (published / "stacks.txt").read_text(encoding="utf-8") == stacks
    log = (published / "server.log").read_text(encoding="utf-8")
    assert log == f"started\n{STACKS_IN_LOG}\nstopped\n"


def test_charts_in_pixels_are_written_where_they_are_asked_for(results: Path) -> None:
    publish(results, [], None, with_png=True)
    picture = (results / "published/sleep/charts/figures.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    publish(results, [], None)
    assert not (results / "published/sleep/charts/figures.png").exists()


def test_a_publication_can_be_published_again(results: Path) -> None:
    """In its own place, from itself: nothing is lost, and no name changes."""
    directory = open_run(results, "latest")
    run = directory.read_run()
    assert run.engine
    assert run.host
    host = run.host.model_copy(update={"hostname": "secret-host"})
    engine = replace(run.engine, engine_id="WXYZ:1234")
    blocks = (Block(label="secret-host", run_id="1", host=host, engine=engine),)
    update = {"host": host, "engine": engine, "blocks": blocks}
    directory.write_run(run.model_copy(update=update))
    publish(results, [], None)
    first = contents(results / "published/sleep")
    publish(results, [str(results / "published/sleep")], None)
    assert contents(results / "published/sleep") == first
    publish(results, [str(results / "published/sleep")], "other")
    assert first["run.json"] == (results / "published/other/run.json").read_bytes()


def test_a_record_of_an_earlier_release_gains_no_keys(results: Path) -> None:
    """What it does not say is not said for it."""
    path = results / "sleep/20261101T120000Z/run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["repeats"]
    path.write_text(json.dumps(record), encoding="utf-8")
    publish(results, [], None)
    published = json.loads((results / "published/sleep/run.json").read_text(encoding="utf-8"))
    assert published.keys() == record.keys()


def test_several_runs_can_be_published_again(results: Path) -> None:
    paths = [str(results / "sleep/20261101T120000Z"), str(second(results).path)]
    publish(results, paths, "both")
    first = contents(results / "published/both")
    publish(results, [str(path) for path in sorted(results.glob("published/both/runs/*"))], "both")
    assert contents(results / "published/both") == first


def contents(directory: Path) -> dict[str, bytes]:
    """A directory's files by name."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_a_publication_can_be_read_like_the_run(results: Path) -> None:
    publish(results, [], None)
    run = str(results / "latest")
    published = str(results / "published/sleep")
    assert table_text(results, published, format_="csv") == table_text(results, run, format_="csv")
    assert "no regression" in compared(results, [run], [published], delta={})


def test_nothing_gives_the_machine_away(results: Path) -> None:
    directory = open_run(results, "latest")
    run = directory.read_run()
    secret = "secret-host.example"
    command = (
        "/home/me/bin/matrix",
        "run",
        "sleep",
        "--file",
        "/home/me/m.yaml",
        "--results=/home/x",
    )
    assert run.host
    host = run.host.model_copy(update={"hostname": secret, "boot_id": secret})
    directory.write_run(run.model_copy(update={"command": command, "host": host}))
    publish(results, [], None)
    for path in (results / "published").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert secret.encode() not in content, path
            assert b"/home/" not in content, path
            assert str(results).encode() not in content, path
            assert b"/var/run/docker.sock" not in content, path
    record = open_run(results, str(results / "published/sleep")).read_run()
    assert record.command == ("matrix", "run", "sleep", "--file", "m.yaml", "--results=x")
    assert record.host
    assert record.host.hostname.startswith("host-")
    assert record.host.boot_id
    assert len(record.host.boot_id) == 8


def test_the_boot_of_a_reused_launch_is_named_as_that_of_a_run(results: Path) -> None:
    directory = open_run(results, "latest")
    run = directory.read_run()
    secret = "secret-boot"
    made = [
        launch.model_copy(update={"reused_from": "20261001T120000Z", "other_boot": boot})
        for (launch, *_), boot in zip(
            directory.launches().values(), (secret, UNKNOWN_BOOT), strict=False
        )
    ]
    stored(results, run.model_copy(update={"run_id": "20261104T120000Z"}), made)
    publish(results, [], None)
    published = str(results / "published/sleep")
    publish(results, [published], "again")
    for name in ("sleep", "again"):
        again = open_run(results, str(results / "published" / name)).launches()
        boots = {launch.other_boot for of_cell in again.values() for launch in of_cell}
        assert boots == {hashlib.sha256(secret.encode()).hexdigest()[:8], UNKNOWN_BOOT}
    for path in (results / "published").rglob("*"):
        assert not path.is_file() or b"secret-" not in path.read_bytes(), path


def test_the_machines_of_a_merged_run_are_numbered(results: Path) -> None:
    directory = open_run(results, "latest")
    run, launches = directory.read_run(), directory.launches()
    assert run.host
    assert run.engine
    blocks = tuple(
        Block(label=f"secret-{n}", run_id=f"of-{n}", host=run.host, engine=run.engine)
        for n in (1, 2)
    )
    stamped = [
        launch.model_copy(update={"block": f"secret-{1 + launch.launch % 2}"})
        for of_cell in launches.values()
        for launch in of_cell
    ]
    merged = run.model_copy(update={"run_id": "20261103T120000Z", "blocks": blocks})
    stored(results, merged, stamped)
    publish(results, [], None)
    published = open_run(results, str(results / "published/sleep"))
    assert [block.label for block in published.read_run().blocks] == ["machine 1", "machine 2"]
    found = {x.block for of_cell in published.launches().values() for x in of_cell}
    assert found <= {"machine 1", "machine 2"}
    for path in (results / "published").rglob("*"):
        assert not path.is_file() or b"secret-" not in path.read_bytes(), path


def test_a_run_imported_from_reports_is_published(results: Path) -> None:
    reports = Path(__file__).parents[3] / "docs" / "article"
    files = [f"patch={p},server=werkzeug:{reports}/ab-{f}.txt" for p, f in ARTICLE.items()]
    import_ab(results, "article-2023", files, Shared(workload="sleep", seconds=2.0))
    publish(results, [], None)
    page = (results / "published/article-2023/index.html").read_text(encoding="utf-8")
    assert "49.77" in page
    assert "not known" in page


#: The article's patch modes and what its reports are called.
ARTICLE = {"gevent": "gevent", "grpc": "grpc_gevent"}


class Markup(HTMLParser):
    """Tags of a page with their attributes, and its scripts by id."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str | None, str] = {}
        self.script: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.script = dict(attrs).get("id")
            self.scripts[self.script] = ""

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[self.script] += data


def markup(path: Path) -> Markup:
    parser = Markup()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def test_text_from_results_is_no_markup(results: Path) -> None:
    """A crash's reason, stacks and logs hold a script, an image and a tag with an id."""
    publish(results, [], None)
    page = markup(results / "published/sleep/index.html")
    assert "img" not in {tag for tag, _ in page.tags}
    assert "injected" not in {attributes.get("id") for _, attributes in page.tags}
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert set(page.scripts) == {"data", None}
    launches = [
        launch
        for cell in json.loads(page.scripts["data"])["cells"]
        for launch in cell["launches"]
        if launch["outcome"] == "crashed"
    ]
    assert NASTY in launches[0]["why"]
    assert any(NASTY in (text or "") for text in launches[0]["files"].values())
    readme = (results / "published/sleep/README.md").read_text(encoding="utf-8")
    assert "<script>" not in re.sub("`[^`]*`", "", readme)


def test_a_page_holds_what_failures_left_as_far_as_it_has_room(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held() -> list[tuple[str, str]]:
        publish(results, [], None)
        data = json.loads(markup(results / "published/sleep/index.html").scripts["data"])
        return [
            (launch["outcome"], name)
            for cell in data["cells"]
            for launch in cell["launches"]
            for name, text in launch.get("files", {}).items()
            if text is not None
        ]

    everything = held()
    assert {name for _, name in everything} == {"ab.txt", "stacks.txt", "server.log"}
    assert "ok" not in {outcome for outcome, _ in everything}
    monkeypatch.setattr(evidence, "ROOM_OF_A_CELL", 20)
    assert 0 < len(held()) < len(everything)


def test_no_request_leaves_the_page(results: Path) -> None:
    publish(results, [], None)
    page = markup(results / "published/sleep/index.html")
    loaded = {tag for tag, attributes in page.tags if attributes.get("src")}
    assert loaded == set()
    links = [a.get("href") or "" for tag, a in page.tags if tag in {"a", "link"}]
    assert [href for href in links if "//" in href] == []
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_every_link_leads_somewhere(results: Path) -> None:
    publish(results, [], None)
    published = results / "published/sleep"
    page = markup(published / "index.html")
    ids = {attributes.get("id") for _, attributes in page.tags}
    for tag, attributes in page.tags:
        href = attributes.get("href") or ""
        if tag == "a" and href.startswith("#"):
            assert unquote(href[1:]) in ids, href
        elif tag == "a":
            assert (published / unquote(href)).exists(), href


def test_tables_have_captions_and_scopes_and_headings_are_in_order(results: Path) -> None:
    publish(results, [], None)
    tags = markup(results / "published/sleep/index.html").tags
    names = [tag for tag, _ in tags]
    assert names.count("caption") == names.count("table")
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")
    levels = [int(tag[1]) for tag in names if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_the_tables_are_those_of_the_run(results: Path) -> None:
    publish(results, [], None)
    content = json.loads((results / "published/sleep/table.json").read_text())
    assert content["experiment"] == "sleep"
    with (results / "published/sleep/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["cell"] for row in rows] == [row["cell"] for row in content["rows"]]


def test_two_runs_are_put_side_by_side(results: Path) -> None:
    first = str(results / "sleep/20261101T120000Z")
    later = second(results)
    publish(results, [first, str(later.path)], None)
    published = results / "published/sleep-vs-sleep"
    readme = (published / "README.md").read_text(encoding="utf-8")
    assert "## sleep, 2026-11-02 12:00 UTC, against sleep, 2026-11-01 12:00 UTC" in readme
    assert "- outcomes: 10 same outcome\n" in readme
    assert "- the machine: how fast it was is not known" in readme
    assert "\n| py3.11-gevent24.2.1-gevent | serialised |" in readme
    rows = json.loads((published / "table.json").read_text())["rows"]
    assert {row["run"] for row in rows} == {
        "sleep, 2026-11-01 12:00 UTC",
        "sleep, 2026-11-02 12:00 UTC",
    }
    assert (published / "table.csv").read_text().startswith("run,cell,")
    page = (published / "index.html").read_text(encoding="utf-8")
    assert 'id="comparison"' in page
    runs = sorted(published.glob("runs/*"))
    assert [run.name for run in runs] == ["1-sleep-20261101T120000Z", "2-sleep-20261102T120000Z"]
    assert open_run(results, str(runs[1])).read_run().launches == 7


def test_what_got_worse_comes_first(results: Path) -> None:
    first = second(results, faster=2.0)
    run, launches = every_outcome(launches=7, faster=1.0)
    later = stored(results, run.model_copy(update={"run_id": "20261103T120000Z"}), launches)
    publish(results, [str(first.path), str(later.path)], "side")
    page = (results / "published/side/index.html").read_text(encoding="utf-8")
    assert "<li>requests/s: 3 lower, 2 undecided, 1 same within 2 %</li>" in page
    assert "<li>regression: requests/s lower in 3 cells</li>" in page
    lower = 'class="number hang">0.500 [0.500–0.500] lower<'
    assert page.index(lower) < page.index('class="number ">1.000 [0.999–1.001] same<')
    readme = (results / "published/side/README.md").read_text(encoding="utf-8")
    assert "| py3.11-gevent25.9.1-gevent | ok | 0.500 \\[0.500–0.500\\] lower |" in readme


def test_runs_with_other_axes_share_a_table(results: Path) -> None:
    """A column of one run is empty in the lines of the other."""
    cells = [cell("3.11", "none", further={"placement": o}, suffix=o) for o in ("first", "late")]
    run = run_record(*cells, axes=(*AXES, "placement")).model_copy(update={"experiment": "order"})
    other = stored(results, run, [launch(one) for one in cells])
    publish(results, [str(results / "sleep/20261101T120000Z"), str(other.path)], "both")
    data = json.loads(markup(results / "published/both/index.html").scripts["data"])
    (placement,) = [column for column in data["columns"] if column["key"] == "placement"]
    assert placement["choices"] == ["–", "first", "late"]


def test_a_run_whose_patch_modes_are_not_known(results: Path) -> None:
    """Such a run has no environments to lay out, and all else."""
    reports = Path(__file__).parents[3] / "docs" / "article"
    import_ab(results, "unknown", [f"{reports}/ab-gevent.txt"], Shared(workload="sleep"))
    publish(results, [], None)
    page = (results / "published/unknown/index.html").read_text(encoding="utf-8")
    assert 'class="pivot"' not in page
    assert "49.77" in page
    assert "by environment" not in (results / "published/unknown/README.md").read_text()


def test_the_index_lists_every_publication(results: Path) -> None:
    publish(results, [], None)
    publish(results, [], "other")
    index = (results / "README.md").read_text(encoding="utf-8")
    assert "[other](published/other/README.md)" in index
    assert "[sleep](published/sleep/README.md)" in index
    assert "| 10 | 5 ok, 2 hang-at-startup, 1 serialised, 1 crashed, 1 unavailable |" in index


def test_a_damaged_publication_is_named(results: Path) -> None:
    publish(results, [], None)
    (results / "published/sleep/publication.json").write_text("{")
    with pytest.raises(UsageError, match=r"published/sleep/publication.json: damaged; publish"):
        publish(results, [], "other")


def test_publishing_again_replaces_all(results: Path) -> None:
    publish(results, [], None)
    stray = results / "published/sleep/stray.txt"
    stray.write_text("of an earlier publication")
    publish(results, [], None)
    assert not stray.exists()
    assert [p.name for p in (results / "published").iterdir()] == ["sleep"]


def test_a_publish_that_fails_leaves_the_earlier_one(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(results, [], None)
    before = (results / "published/sleep/index.html").read_bytes()

    def full(_: Publication) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "readme", full)
    with pytest.raises(UsageError, match="no room left on the disk"):
        publish(results, [], None)
    assert (results / "published/sleep/index.html").read_bytes() == before
    assert [p.name for p in (results / "published").iterdir()] == ["sleep"]


def test_what_a_killed_publish_left_is_removed(results: Path) -> None:
    leftover = results / "published/.sleep.00ff.tmp/cells"
    leftover.mkdir(parents=True)
    other = results / "published/.sleeping.00ff.tmp"
    other.mkdir()
    publish(results, [], None)
    assert not leftover.exists()
    assert other.exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", ".hidden", "a b", "é"])
def test_a_name_is_a_plain_directory_name(name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        checked_name(name)


def test_a_run_given_twice_is_refused(results: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        publish(results, ["latest", str(results / "latest")], None)


def test_long_logs_keep_head_and_tail() -> None:
    short = b"a" * LONGEST_BYTES
    assert shortened(short) == short.decode()
    text = shortened(b"head" + b"x" * 3 * LONGEST_BYTES + "tail é".encode())
    assert text.startswith("head")
    assert text.endswith("tail é")
    assert f"[… {2 * LONGEST_BYTES + 11:,} bytes left out …]" in text


def test_a_run_whose_machine_is_not_known(results: Path) -> None:
    """Figures of another program's run may come without host and engine."""
    directory = open_run(results, "latest")
    run = directory.read_run()
    unknown = public(run.model_copy(update={"host": None, "engine": None}))
    assert unknown.host is None
    assert {("machine", "not known"), ("engine", "not known")} <= {*method(unknown)}
    found = collate(unknown, directory.launches())
    assert {("machine", "not known"), ("engine", "not known")} <= {*overview(found)}


def test_limits_that_the_engine_overlooked_are_not_published_as_if_kept(results: Path) -> None:
    run = open_run(results, "latest").read_run()
    assert run.engine
    engine = replace(run.engine, security=(ROOTLESS,), cgroup_version="1")
    assert dict(method(run))["limits"].endswith("processes and threads")
    overlooked = dict(method(run.model_copy(update={"engine": engine})))["limits"]
    assert overlooked.endswith("processes and threads (both without effect)")


def test_how_many_rounds_were_needed_and_why_no_more(results: Path) -> None:
    directory = open_run(results, "latest")
    why = "after 1 round: nothing is compared"
    run = directory.read_run().model_copy(
        update={"launches": 15, "least_launches": 3, "stopped": why}
    )
    assert {("launches per cell", "3 to 15"), ("stopped", why)} <= {*method(run)}
    facts = dict(overview(collate(run, directory.launches())))
    assert facts["measured"] == "9 cells, 1 launch each"
    assert facts["stopped"] == why
    assert "stopped" not in dict(method(directory.read_run()))


def test_attempts_are_counted_and_not_only_the_launches_kept(results: Path) -> None:
    directory = open_run(results, "latest")
    found = collate(directory.read_run(), directory.launches())
    assert ("attempts", "9 for 9 launches, none of them disturbed") in [*overview(found)]
    (first, *_), *others = found.launches.values()
    made = [
        first.model_copy(update={"disturbed": "ab waited", "attempt": 3}),
        *(launch for of_cell in others for launch in of_cell),
    ]
    by_cell = {launch.cell: [launch] for launch in made}
    counted = dict(overview(collate(found.record, by_cell)))["attempts"]
    assert counted == "11 for 9 launches; disturbed: 2 rejected, 1 kept"


def with_rejected(results: Path) -> tuple[LaunchRecord, ...]:
    """Two attempts at the first launch of the latest run's first cell; the third is kept."""
    directory = open_run(results, "latest")
    none = directory.read_run().cells[0]
    [kept] = directory.launches()[none.id]
    directory.complete(kept.model_copy(update={"attempt": 3}), final=True)
    made = attempt(none, 1, 1, rate=24.0), attempt(none, 1, 2, rate=12.0)
    for one in made:
        directory.write_disturbed(one, {"ab.txt": b"rejected", "server.log": b"rejected"})
    return made


def test_the_results_of_rejected_attempts_are_published_and_nothing_else_of_them(
    results: Path,
) -> None:
    made = with_rejected(results)
    publish(results, [], None)
    published = open_run(results, str(results / "published/sleep"))
    assert published.rejected() == {made[0].cell: [*made]}
    found = {path.name for path in published.path.glob("cells/*/disturbed/*/*")}
    assert found == {"result.json"}
    first = contents(published.path)
    publish(results, [str(published.path)], None)
    assert contents(published.path) == first
    for form in ("csv", "github"):
        run, again = str(results / "latest"), str(published.path)
        assert table_text(results, again, format_=form) == table_text(results, run, format_=form)


def test_rejected_attempts_of_several_runs_are_published_below_each(results: Path) -> None:
    with_rejected(results)
    publish(results, [str(results / "sleep/20261101T120000Z"), str(second(results).path)], "both")
    found = (results / "published/both").glob("**/disturbed/*/result.json")
    assert {path.relative_to(results / "published/both").parts[1] for path in found} == {
        "1-sleep-20261101T120000Z"
    }


def test_page_and_readme_set_rejected_attempts_beside_those_kept(results: Path) -> None:
    publish(results, [], None)
    published = results / "published/sleep"
    for name in ("index.html", "README.md"):
        assert ATTEMPTS not in (published / name).read_text(encoding="utf-8")
    with_rejected(results)
    publish(results, [], None)
    readme = (published / "README.md").read_text(encoding="utf-8")
    [line] = [
        x for x in readme.partition(ATTEMPTS)[2].splitlines() if x.startswith("| py3.11-none")
    ]
    texts = [text.strip() for text in line.split("|")[1:-1]]
    assert texts[:6] == ["py3.11-none", "1/3", "48.01", "18.00", "24.00", "1.00"]
    assert texts[-1] == "2 of 3 attempts: ab waited for a CPU"
    page = (published / "index.html").read_text(encoding="utf-8")
    section = page.partition('<section id="attempts"')[2].partition("</section>")[0]
    assert '<a href="#cell=py3.11-none">py3.11-none</a>' in section
    assert section.count("<tr>") == 2
    assert "cells/py3.11-none/disturbed/launch-01-attempt-2" in page


def test_the_machine_of_a_rejected_attempt_is_as_anonymous_as_that_of_a_launch(
    results: Path,
) -> None:
    directory = open_run(results, "latest")
    run, none = directory.read_run(), directory.read_run().cells[0]
    assert run.host
    assert run.engine
    block = Block(label="secret", run_id="of-1", host=run.host, engine=run.engine)
    directory.write_run(run.model_copy(update={"blocks": (block,)}))
    directory.write_disturbed(attempt(none, 1, 1).model_copy(update={"block": "secret"}), {})
    publish(results, [], None)
    [[found]] = open_run(results, str(results / "published/sleep")).rejected().values()
    assert found.block == "machine 1"


def test_nobody_knows_what_disturbed_an_imported_run(results: Path) -> None:
    reports = Path(__file__).parents[3] / "docs" / "article"
    import_ab(results, "imported", [f"patch=gevent:{reports}/ab-gevent.txt"], Shared())
    publish(results, [], None)
    readme = (results / "published/imported/README.md").read_text(encoding="utf-8")
    assert "- attempts: not known" in readme


def test_page_and_readme_say_how_the_run_was_made_and_is_read(results: Path) -> None:
    publish(results, [], None)
    for name in ("index.html", "README.md"):
        text = (results / "published/sleep" / name).read_text(encoding="utf-8")
        for words in (
            "Example CPU",
            "memory 512 MiB",
            "Percentiles are those of a closed loop",
            "The ceiling is the most that the load",
            "no wheel",
        ):
            assert words in text, (name, words)


def test_what_blocks_the_event_loop_is_published_without_the_log(results: Path) -> None:
    directory = open_run(results, "latest")
    cell = directory.read_run().cells[0].id
    block = BlockRecord(what="app.py:8 <computes>", times=3, total_s=1.5, longest_s=0.6)
    found = DiagnosisRecord(
        cell=cell,
        made_in="run",
        outcome=Outcome.OK,
        gevent="25.9.1",
        period_s=0.02,
        loops=1,
        blocks=(block,),
    )
    write_diagnosis(directory, found, {"server.log": b"printed"})
    publish(results, [], None)
    published = open_run(results, str(results / "published/sleep"))
    assert diagnoses(published) == {cell: found}
    assert not (published.path / "cells" / cell / "diagnosis" / "server.log").exists()
    for file in ("index.html", "README.md"):
        text = (published.path / file).read_text(encoding="utf-8")
        assert "the event loop was blocked for 1.5 s" in text
        assert "<computes>" not in text
    page = (published.path / "index.html").read_text(encoding="utf-8")
    assert '["blocks of the event loop","a launch beside the measured ones, in run' in page
