"""Every mistake in a matrix file: where it is, what is wrong, how to fix it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.errors import SpecError
from runner.matrix.file import load
from tests.unit.matrix.matrices import expanded, written

HEAD = "version: 1\ndefault: one\nexperiments:\n  one:\n"
AXES = "    axes: {python: [3.11], patch: [none]}\n"
SERVERS = "    axes: {python: [3.11], server: [waitress, pywsgi]}\n"
GEVENT = "    axes: {python: [3.11], gevent: [24.2.1, 25.9.1], patch: [none, gevent]}\n"


def axes(flow: str) -> str:
    return f"{HEAD}    axes: {{{flow}}}\n"


def more(lines: str, start: str = AXES) -> str:
    return f"{HEAD}{start}    {lines}\n"


#: A file, the position (line:column) that its error names, and words that the message must have.
CASES: dict[str, tuple[str, str, *tuple[str, ...]]] = {
    # the file as YAML
    "empty": ("", "1:1", "empty", "version: 1"),
    "comment only": ("# nothing yet\n", "1:1", "empty", "experiments:"),
    "unclosed list": (axes("python: [3.11"), "5:25", "not valid YAML", "fix the line"),
    "tab": (f"{HEAD}\taxes: {{}}\n", "5:1", "not valid YAML", "fix the line"),
    "unquoted star": (axes("python: 3.11, gevent: *"), "5:35", "not valid YAML", "quote it"),
    "undefined alias": (axes("python: *versions"), "5:20", "undefined alias", "fix the line"),
    "control character": (more("description: a\x07b"), "6:19", "#x0007", "remove it"),
    "two documents": (HEAD + AXES + "---\n" + HEAD + AXES, "7:1", "2 YAML documents", "keep one"),
    "duplicate key": (more("axes: {python: 3.9}"), "6:5", "duplicate key 'axes'", "keep one"),
    "duplicate experiment": (HEAD + AXES + "  one: {}\n", "6:3", "first on line 4", "keep one"),
    "list as key": (more("? [a]\n    : b"), "6:7", "a key must be plain text"),
    "merge key": (more("<<: {launches: 2}"), "6:5", "extends: NAME"),
    "alias of itself": (f"{HEAD}    axes: &a {{python: *a}}\n", "5:11", "write it out"),
    "too deep": (more("load: " + "[" * 60 + "]" * 60), "6:58", "50 deep", "write it flat"),
    # the outline
    "a list": ("- version: 1\n", "1:1", "mapping", "version: 1"),
    "a word": ("matrix\n", "1:1", "mapping", "version: 1"),
    "no version": ("experiments: {one: {axes: {python: 3.11}}}\n", "1:1", "write that"),
    "another version": ("version: 2\n", "1:10", "`version: 1`", "write that"),
    "unknown top key": ("version: 1\nexperiment: {}\n", "2:1", "did you mean 'experiments'?"),
    "no experiments": ("version: 1\n", "1:1", "at least one named experiment"),
    "empty experiments": ("version: 1\nexperiments:\n", "2:13", "at least one named experiment"),
    "no such default": (
        HEAD.replace("default: one", "default: oen") + AXES, "2:10", "did you mean 'one'?",
    ),
    "default is a list": (
        HEAD.replace("default: one", "default: [one]") + AXES, "2:10", "names an experiment",
    ),
    "experiment is nothing": (HEAD, "4:3", "an experiment is a mapping", "axes:"),
    "another experiment is text": (HEAD + AXES + "  two: 2\n", "6:3", "is a mapping", "axes:"),
    "name leaves the results": (
        "version: 1\nexperiments:\n  ../one: {}\n", "3:3", "cannot be called", "use letters",
    ),
    "name of the newest run's link": (
        "version: 1\nexperiments:\n  latest: {}\n", "3:3", "cannot be called", "not 'latest'",
    ),
    "empty name": ("version: 1\nexperiments: {'': {}}\n", "2:15", "cannot be called ''", "use"),
    # keys
    "unknown key": (more("wrokload: {}"), "6:5", "did you mean 'workload'?"),
    "misspelt axes": (f"{HEAD}    axs: {{python: 3.11}}\n", "5:5", "did you mean 'axes'?"),
    "no axes": (f"{HEAD}    launches: 3\n", "5:5", "`axes:` is missing", "add it"),
    "no python": (axes("patch: none"), "5:11", "`python:` is missing", "add it"),
    "unknown load key": (more("load: {request: 5}"), "6:12", "did you mean 'requests'?"),
    "unknown limit": (more("limits: {memroy: 1g}"), "6:14", "did you mean 'memory'?"),
    "unknown workload key": (more("workload: {second: 1}"), "6:16", "did you mean 'seconds'?"),
    "unknown base key": (more("base: {registri: x}"), "6:12", "did you mean 'registry'?"),
    "unknown workload": (more("workload: {name: slep}"), "6:22", "did you mean 'sleep'?"),
    "unknown server": (more("server: werkzueg"), "6:13", "did you mean 'werkzeug'?"),
    "unknown base": (more("base: debain"), "6:11", "did you mean 'debian'?"),
    "unknown base kind": (more("base: {kind: oci}"), "6:18", "known: auto, registry, debian"),
    "neither true nor false": (more("base: {allow_expired: yes}"), "6:27", "true nor false"),
    "a list for a mapping": (more("load: [100, 5000]"), "6:11", "a mapping", "expected"),
    "a mapping for a list": (more("exclude: {python: 3.11}"), "6:14", "a list is expected"),
    "a mapping for text": (more("description: {a: b}"), "6:18", "plain text is expected"),
    # axes and versions
    "unknown axis": (axes("pyton: 3.11"), "5:12", "did you mean 'python'? (`python:` is"),
    "axis of no package": (
        axes("python: 3.11, requests: [2.31, 2.32]"), "5:26", "`requests: '*'`", "`packages`",
    ),
    "empty list": (axes("python: 3.11, gevent: []"), "5:34", "at least one value"),
    "nothing": (axes("python: 3.11, gevent: "), "5:34", "at least one value", "remove the line"),
    "nothing in a list": (axes("python: [3.11, null]"), "5:27", "plain text is expected"),
    "duplicate value": (axes("python: [3.9, 3.11, 3.9]"), "5:32", "3.9 is listed twice", "keep"),
    "equal versions": (
        axes("python: 3.11, gevent: [25.9, v25.9.0]"), "5:41", "(it equals 25.9)", "keep one",
    ),
    "equal counts": (axes("python: 3.11, concurrency: [100, 0100]"), "5:45", "twice", "keep one"),
    "package twice": (more("packages: {flask: 3.1.0, Flask: 3.0.0}"), "6:30", "keep one"),
    "two lists": (
        more("packages: {flask: [3.0.0, 3.1.0]}", "    axes: {python: 3.11, flask: 2.2.0}\n"),
        "6:16", "under `axes`", "keep one",
    ),
    "python 2": (axes("python: 2.7"), "5:20", "too old", "3.8 or newer"),
    "python 3": (axes("python: 3"), "5:20", "X.Y", "3.11"),
    "a full Python": (axes("python: [3.9, 3.11.4]"), "5:26", "X.Y", "3.11"),
    "a Python in other digits": (axes("python: ٣.١١"), "5:20", "X.Y"),
    "no version at all": (axes("python: 3.11, gevent: newest"), "5:34", "a wildcard (25.*)"),
    "any text as version": (
        axes("python: 3.11, gevent: '===../../x'"), "5:34", "is not a version", "a wildcard (25.*)",
    ),
    "contradictory bounds": (axes("python: 3.11, gevent: '>=26,<26'"), "5:34", "contradict"),
    "bounds against a wildcard": (axes("python: 3.11, gevent: '==25.*,<25'"), "5:34", "contradict"),
    "unknown patch": (axes("python: 3.11, patch: [none, gevnt]"), "5:40", "did you mean 'gevent'?"),
    "unknown axis server": (axes("python: 3.11, server: [werkzoig]"), "5:35", "'werkzeug'"),
    "bad package name": (more("packages: {fl/ask: 1}"), "6:24", "'fl/ask' is not a package name"),
    "package without version": (more("packages: {flask: }"), "6:23", "expected"),
    "needs gevent": (axes("python: 3.11, patch: gevent"), "5:33", "needs gevent", "`packages`"),
    "needs grpcio": (
        axes("python: 3.11, gevent: 25.9.1, patch: grpc"), "5:49", "needs grpcio", "`axes`",
    ),
    "too many combinations": (
        axes("python: 3.11, concurrency: " + str(list(range(1, 1002))))
        + f"    packages: {{flask: {[f'1.{n}' for n in range(1001)]}}}\n",
        "5:5", "1,002,001 combinations", "remove values",
    ),
    # load and limits
    "negative": (more("load: {requests: -5}"), "6:22", "whole number above 0"),
    "zero": (more("load: {concurrency: 0}"), "6:25", "whole number above 0"),
    "half a request": (more("load: {requests: 2.5}"), "6:22", "whole number above 0"),
    "in words": (more("launches: five"), "6:15", "whole number above 0"),
    "no seconds": (more("workload: {seconds: 0}"), "6:25", "number of seconds above 0"),
    "endless seconds": (more("workload: {seconds: .inf}"), "6:25", "at most 86400"),
    "concurrency > requests": (
        more("load: {concurrency: 20, requests: 10}"), "6:25", "exceeds", "`load.requests`",
    ),
    "concurrency axis > requests": (
        more("load: {requests: 150}", "    axes: {python: 3.11, concurrency: [100, 200]}\n"),
        "5:39", "concurrency 200 exceeds", "raise `load.requests`",
    ),
    "load beyond its limit": (
        more("limits: {load: 100}"), "6:20", "need 102 s", "set `limits.load` to 123",
    ),
    "no rate": (more("load: {rate: 0}"), "6:18", "requests per second above 0", "'closed'"),
    "rate in words": (axes("python: 3.11, rate: [closed, fast]"), "5:41", "nor 'closed'"),
    "nothing in per cent": (axes("python: 3.11, rate: [closed, 0%]"), "5:41", "like 80%"),
    "too many per cent": (axes("python: 3.11, rate: [closed, 9500%]"), "5:41", "more than 200%"),
    "per cent without a closed loop": (
        axes("python: 3.11, rate: [20, 80%]"), "5:32", "80% of what?", "add `closed` to the axis",
    ),
    "nothing but per cent": (
        more("load: {rate: 80%}"), "6:18", "80% of what?", "closed loop of 100 clients",
    ),
    "per cent of what is excluded": (
        axes("python: [3.9, 3.11], rate: [closed, 50%]")
        + "    exclude: [{python: 3.9, rate: closed}]\n",
        "5:39", "50% of what? py3.9-none-r50pct has no baseline (patch none)", "exclude no such",
    ),
    "per cent of no baseline": (
        axes("python: 3.11, rate: [closed, 50%]") + "    baseline: {}\n",
        "5:32", "no baseline (none is named)",
    ),
    "per cent at other clients": (
        axes("python: 3.11, rate: [closed, 50%], concurrency: [10, 20]")
        + "    load: {requests: 200}\n",
        "5:32", "closed loop of 100 clients", "`load.concurrency` to an axis",
    ),
    "per cent beyond the limit": (
        axes("python: 3.11, rate: [closed, 50%]") + "    load: {seconds: 299}\n",
        "5:5", "requests at 50% of the baseline's rate for 299 s need 301 s", "362",
    ),
    "too few at a rate": (
        more("load: {rate: 1, seconds: 5}"), "6:18", "are 5 in 5 s, fewer than 10", "raise",
    ),
    "too few on an axis": (
        axes("python: 3.11, rate: [0.1, 45]"), "5:32", "are 6 in 60 s", "`load.seconds`",
    ),
    "rate beyond its limit": (
        more("load: {rate: 45, seconds: 299}"), "5:5", "13455 requests at 45/s need 301 s", "362",
    ),
    "rate that the server cannot take": (
        more("load: {rate: 100}\n    server: waitress"), "5:5", "at 100/s need 3000 s",
    ),
    "spread beyond the mean": (
        more("workload: {seconds: 1, spread: 1.5}"), "6:36", "exceeds the 1 seconds", "lower it",
    ),
    "spread of another workload": (
        more("workload: {name: cpu, spread: 1}"), "6:27", "unknown key 'spread'",
    ),
    "negative spread": (more("workload: {spread: -1}"), "6:24", "number from 0"),
    "copy with a blank": (
        axes("python: 3.11, copy: a b"), "5:32", "axes.copy", "letters and digits",
    ),
    "memory in words": (more("limits: {memory: lots}"), "6:22", "512m or 2g"),
    "too little memory": (more("limits: {memory: 5m}"), "6:22", "6m"),
    "too much memory": (more("limits: {memory: 99999999g}"), "6:22", "write e.g. 512m"),
    "no date": (more("exclude_newer: last week"), "6:20", "YYYY-MM-DD"),
    "no such day": (more("exclude_newer: 2026-02-30"), "6:20", "YYYY-MM-DD"),
    # exclude, include, baseline, extends
    "exclude matches nothing": (
        more("exclude: [{python: 3.9}]"), "6:15", "matches no cell: python 3.9", "remove it",
    ),
    "exclude of an unknown axis": (more("exclude: [{pach: none}]"), "6:16", "did you mean 'patch'"),
    "exclude of a bad value": (more("exclude: [{patch: nnoe}]"), "6:23", "did you mean 'none'?"),
    "empty exclude": (more("exclude: [{}]"), "6:15", "exclude everything", "remove it"),
    "exclude of all": (more("exclude: [{python: 3.11}]"), "6:14", "leave no cell", "remove one"),
    "exclude without effect": (
        more("exclude: [{patch: none, gevent: 25.9.1}]", GEVENT), "6:15", "removes no cell",
        "(patch none) do not use gevent", "name other axes",
    ),
    "include adds what is there": (
        more("include: [{python: 3.11, gevent: 1.0, patch: none}]", GEVENT), "6:15",
        "duplicates the cell py3.11-none", "remove it",
    ),
    "no python anywhere": (
        f"{HEAD}    axes: {{patch: [none]}}\n    include: [{{concurrency: 7}}]\n", "5:11",
        "no axis and no include gives `python`", "name one",
    ),
    "nothing but an include without python": (
        f"{HEAD}    include: [{{concurrency: 7}}]\n", "5:15", "adds a cell without `python`",
    ),
    "exclude by a setting that no server has": (
        more("exclude: [{server: {treads: 4}}]", SERVERS), "6:24",
        "a server has no setting 'treads'", "did you mean 'threads'?",
    ),
    "exclude by a setting of another server": (
        more("exclude: [{server: {name: waitress, workers: 4}}]", SERVERS), "6:24",
        "waitress has no setting 'workers'",
    ),
    "exclude by an unknown server": (
        more("exclude: [{server: {name: waitres}}]", SERVERS), "6:24", "did you mean 'waitress'?",
    ),
    "exclude by an empty server": (
        more("exclude: [{server: {}}]", SERVERS), "6:24", "name a server",
    ),
    "exclude by a mapping of a word": (more("exclude: [{patch: {name: none}}]"), "6:23", "mapping"),
    "include adds a server without a name": (
        more("include: [{python: 3.12, server: {threads: 4}}]", SERVERS), "6:38", "needs a `name:`",
    ),
    "empty include": (more("include: [{}]"), "6:15", "an empty entry", "name an axis"),
    "include without python": (more("include: [{patch: grpc}]"), "6:15", "`python`", "name one"),
    "include lacks gevent": (
        more("include: [{python: 3.12, patch: gevent}]"), "6:15", "needs gevent", "name its",
    ),
    "include lacks a package": (
        more("include: [{python: 3.12}]", AXES + "    packages: {flask: [2, 3]}\n"),
        "7:15", "without `flask`", "name its version",
    ),
    "include too concurrent": (
        more("include: [{python: 3.12, concurrency: 9000}]"), "6:15", "exceeds", "raise",
    ),
    "unknown baseline axis": (more("baseline: {pathc: none}"), "6:16", "did you mean 'patch'?"),
    "unknown baseline value": (more("baseline: {patch: non}"), "6:23", "did you mean 'none'?"),
    "launches the wrong way round": (
        more("launches: {min: 5, max: 3}"), "6:15", "min 5 is more than max 3", "exchange them",
    ),
    "too few launches to stop after": (
        more("launches: {min: 2, max: 9}"), "6:15", "give at least 3", "or one number",
    ),
    "a delta of two": (more("delta: {rate: 2}"), "6:19", "delta.rate", "between 0 and 1"),
    "a delta of nothing": (more("delta: {rate: 0}"), "6:19", "delta.rate", "between 0 and 1"),
    "a delta of an unknown figure": (more("delta: {cpi: 0.1}"), "6:13", "did you mean 'cpu'?"),
    "extends nobody": (more("extends: oen"), "6:14", "did you mean 'one'?"),
    "extends a list": (more("extends: [one]"), "6:14", "no experiment"),
    "extends itself": (more("extends: one"), "6:14", "break the circle"),
    "extends in a circle": (
        f"{HEAD}    extends: two\n  two: {{extends: one}}\n", "6:18", "break the circle",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_message_names_the_place_and_the_remedy(tmp_path: Path, case: str) -> None:
    content, place, *words = CASES[case]
    with pytest.raises(SpecError) as raised:
        expanded(tmp_path, content)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path}/matrix.yaml:{place}: ")
    for word in words:
        assert word in message
    assert "\n" not in message


def test_suggestions_are_words_of_the_file_and_not_of_the_program(tmp_path: Path) -> None:
    for case in CASES.values():
        with pytest.raises(SpecError) as raised:
            expanded(tmp_path, case[0])
        assert not re.search(r"PatchMode|Server\.|Traceback|pydantic", str(raised.value))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfev\x00", "not UTF-8 (byte 0); save it as UTF-8"),
        (b"version: \x80", "not UTF-8 (byte 9); save it as UTF-8"),
    ],
)
def test_what_is_no_text(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(SpecError, match=re.escape(words)):
        load(written(tmp_path, content))


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match=r"other\.yaml: no such file; `--file PATH`"):
        load(tmp_path / "other.yaml")
    with pytest.raises(SpecError, match="is a directory; `--file`"):
        load(tmp_path)
    with pytest.raises(SpecError, match=r"cannot be read \(.*\); check"):
        load(tmp_path / "nul\0byte")

    def deny(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(SpecError, match=r"cannot be read \(Permission denied\); check its perm"):
        load(tmp_path / "matrix.yaml")


def test_an_experiment_that_is_not_there(tmp_path: Path) -> None:
    file = load(written(tmp_path, HEAD + AXES))
    with pytest.raises(SpecError, match=r"matrix\.yaml:1:1: no experiment 'on'; did you mean 'one"):
        file.experiment("on")


def test_what_somebody_wrote_at_length_is_cut_and_the_remedy_kept(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        expanded(tmp_path, more(f"exclude_newer: {'9' * 9000}"))
    assert len(str(raised.value)) < 1000
    assert str(raised.value).endswith("is not a date: write YYYY-MM-DD")


def test_a_mistake_in_what_is_taken_over_is_reported_where_it_was_written(tmp_path: Path) -> None:
    content = more("load: {requests: 0}") + "  two: {extends: one, load: {concurrency: 5}}\n"
    with pytest.raises(SpecError, match=r"matrix\.yaml:6:22: "):
        load(written(tmp_path, content)).experiment("two")
    content += "  three: {extends: one, load: {requests: many}}\n"
    with pytest.raises(SpecError, match=r"matrix\.yaml:8:42: "):
        load(written(tmp_path, content)).experiment("three")


def test_a_mistake_in_what_replaces_is_not_reported_where_the_replaced_was(tmp_path: Path) -> None:
    content = f"{HEAD}{AXES}  two: {{extends: one, axes: {{python: 2.7}}}}\n"
    with pytest.raises(SpecError, match=r"matrix\.yaml:6:38: .*too old"):
        load(written(tmp_path, content)).experiment("two")


def test_a_byte_order_mark_takes_no_column(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"matrix\.yaml:1:10: "):
        load(written(tmp_path, "\ufeffversion: 2\n"))
