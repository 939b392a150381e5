"""`matrix publish`: what it writes, and what it leaves where it is stopped."""

from __future__ import annotations

import csv
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runner.commands.import_ab import import_ab
from runner.commands.publish import checked_name, publish
from runner.commands.runs import compared, table_text
from runner.errors import UsageError
from runner.publish import write as writing
from runner.publish.files import LONGEST_BYTES, shortened
from runner.publish.publication import Publication
from runner.publish.record import public
from runner.publish.summary import environment, facts
from runner.store.import_ab import Shared
from runner.store.records import Block
from runner.store.run_directory import RunDirectory, open_run
from tests.support.published import NASTY, every_outcome, stored

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
    assert top | {"charts/rate.svg", "charts/rate.png"} <= found
    hung = "cells/py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc/launch-01"
    assert {f"{hung}/{name}" for name in ("result.json", "stacks.txt", "server.log")} <= found
    worked = {name for name in found if name.startswith("cells/py3.11-none/")}
    assert {name.rpartition("/")[2] for name in worked} == {"result.json", "ab.txt"}
    assert not any(name.endswith(".gz") for name in found)


def test_a_publication_can_be_read_like_the_run(results: Path) -> None:
    publish(results, [], None)
    run = str(results / "latest")
    published = str(results / "published/sleep")
    assert table_text(results, published, format_="csv") == table_text(results, run, format_="csv")
    assert "no regression" in compared(results, run, published, threshold=0.02)


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
    host = run.host.model_copy(update={"hostname": secret})
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
    assert set(page.scripts) == {"data", "specs", "vega", None}
    cells = json.loads(page.scripts["data"])["cells"]
    (crashed,) = [cell for cell in cells if cell["outcome"] == "crashed"]
    assert NASTY in crashed["reason"]
    assert any(NASTY in text for text in crashed["launches"][0]["files"].values())
    readme = (results / "published/sleep/README.md").read_text(encoding="utf-8")
    assert "<script>" not in re.sub("`[^`]*`", "", readme)


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
            assert href[1:] in ids, href
        elif tag == "a":
            assert (published / href.replace("%2B", "+")).exists(), href


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


def test_a_slower_run_is_said_to_be_worse(results: Path) -> None:
    first = second(results, faster=2.0)
    run, launches = every_outcome(launches=7, faster=1.0)
    later = stored(results, run.model_copy(update={"run_id": "20261103T120000Z"}), launches)
    publish(results, [str(first.path), str(later.path)], "side")
    page = (results / "published/side/index.html").read_text(encoding="utf-8")
    assert "Some cell is worse off" in page
    assert page.index('class="hang">slower<') < page.index("<td>no difference shown<")


def test_the_index_lists_every_publication(results: Path) -> None:
    publish(results, [], None)
    publish(results, [], "other")
    index = (results / "README.md").read_text(encoding="utf-8")
    assert "[other](published/other/README.md)" in index
    assert "[sleep](published/sleep/README.md)" in index
    assert "10 | Of 10 cells: 5 `ok`" in index


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
    run = open_run(results, "latest").read_run()
    unknown = public(run.model_copy(update={"host": None, "engine": None}))
    assert unknown.host is None
    assert ("machine", "unknown") in facts(unknown)
    assert ("engine", "unknown") in environment(unknown)
