"""What this project's Dockerfiles say, read without a builder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.build.dockerfile import DEFAULT_PATH, NeedsBuilderError, environment_line, parse
from runner.build.images import dockerfile_of
from runner.build.layers import END, File, Layer, whole
from runner.build.wheels import archived
from runner.engine.companions import COMPANION_USER
from runner.engine.pod import DISK, LOADGEN_USER, SERVER_USER
from runner.errors import EngineError

BASE = {"BASE": "python:3.11-slim"}
BELOW = {
    "Env": ["PATH=/usr/bin", "PYTHONPATH=/elsewhere"],
    "Cmd": ["python3"],
    "WorkingDir": "/",
    "Image": "sha256:below",
    "Labels": {"of": "the base", "kind": "base"},
}


def test_an_image_is_configured_on_top_of_its_base() -> None:
    described = parse(dockerfile_of("server"), BASE)
    assert described.base == "python:3.11-slim"
    assert described.config(BELOW, {"kind": "environment"}) == {
        "Env": [
            "PATH=/usr/bin",
            "PYTHONPATH=/site:/server",
            "PYTHONDONTWRITEBYTECODE=1",
            "PYTHONUNBUFFERED=1",
        ],
        "User": SERVER_USER,
        "Cmd": ["python3", "-m", "monkey_matrix_server"],
        "WorkingDir": "/",
        "Labels": {"of": "the base", "kind": "environment"},
    }


def test_an_image_without_a_path_gets_the_one_that_builders_give() -> None:
    assert parse("FROM x\n", {}).config({}, {})["Env"] == [f"PATH={DEFAULT_PATH}"]


def test_a_base_with_instructions_for_builders_needs_one() -> None:
    with pytest.raises(EngineError, match="needs a builder"):
        parse("FROM x\n", {}).config({"OnBuild": ["RUN something"]}, {})


def test_only_what_is_copied_is_in_the_image_and_belongs_to_whom_it_says() -> None:
    files = tuple(
        File(path=path, content=b"") for path in ("server/main.py", "serverless.py", "data")
    )
    applied = parse(dockerfile_of("server"), BASE).applied(Layer(title="", files=files))
    assert [(f.path, f.owner) for f in applied.files] == [
        ("server/main.py", (0, 0)),
        ("data", (7001, 7001)),
    ]


@pytest.mark.parametrize(
    ("directory", "user"),
    [("server", SERVER_USER), ("loadgen", LOADGEN_USER), ("companions", COMPANION_USER)],
)
def test_a_dockerfiles_user_is_the_one_that_a_pod_starts(directory: str, user: str) -> None:
    assert parse(dockerfile_of(directory), BASE).user == user


def test_the_servers_disk_belongs_to_the_server() -> None:
    uid, gid = SERVER_USER.split(":")
    owner = parse(dockerfile_of("server"), BASE).owner(DISK.lstrip("/"))
    assert owner == (int(uid), int(gid))


@pytest.mark.parametrize("value", ["0.5", 'a "quoted" one', "$HOME", "back\\slash", "", "a=b c"])
def test_a_variable_has_its_value_whatever_is_in_it(value: str) -> None:
    text = f"FROM x\n{environment_line({'ONE': value, 'TWO': '2'})}\n"
    assert parse(text, {}).environment == {"ONE": value, "TWO": "2"}


@pytest.mark.parametrize(
    "line",
    [
        "RUN apt-get update",
        "COPY site /elsewhere",
        "COPY --chown=somebody site /site",
        "ENV PATH=/site:$PATH",
        "ENV OLD form",
        'ENV PATH="/site:$PATH"',
        "ADD site /site",
        "FROM y",
        "USER $NAME",
        "WORKDIR relative",
        "WORKDIR /$NAME",
        "WORKDIR /a\\ b",
        "CMD python3 -m monkey_matrix_server",
        'CMD "python3"',
        'CMD ["python3", ',
    ],
)
def test_anything_else_needs_a_builder(line: str) -> None:
    with pytest.raises(EngineError, match="needs a builder"):
        parse(f"FROM x\n{line}\n", {})


@pytest.mark.parametrize("base", ["${VERSION}", "python:${VERSION}-slim", "x AS y", ""])
def test_a_base_that_only_a_builder_finds_needs_one(base: str) -> None:
    with pytest.raises(NeedsBuilderError, match="needs a builder"):
        parse(f"ARG VERSION=3.11\nFROM {base}\n", BASE)


def test_packages_that_belong_to_a_user_need_a_builder(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "x.py").write_text("")
    archive = tmp_path / "x-1-0.tar"
    archive.write_bytes(b"".join(archived(tmp_path / "site")))
    described = parse("FROM x\nCOPY --chown=1:1 site /site\n", {})
    with pytest.raises(EngineError, match="needs a builder"):
        described.applied(Layer(title="", packed=(archive,)))


def test_files_of_an_archive_that_belong_to_the_user_they_are_copied_for_need_none(
    tmp_path: Path,
) -> None:
    archive = tmp_path / "source.tar"
    archive.write_bytes(whole("site/x.py", b"", (1, 2)) + END)
    layer = Layer(title="", packed=(archive,))
    assert parse("FROM x\nCOPY --chown=1:2 site /site\n", {}).applied(layer).packed == (archive,)
    for owner in ("", "--chown=1:1 "):
        with pytest.raises(EngineError, match="needs a builder"):
            parse(f"FROM x\nCOPY {owner}site /site\n", {}).applied(layer)


@pytest.mark.parametrize("path", ["/application", "/application/my shop/é"])
def test_a_directory_is_taken_as_it_is(path: str) -> None:
    described = parse(f"FROM x\nWORKDIR {path}\n", {})
    assert described.config(BELOW, {})["WorkingDir"] == path


def test_lines_go_on_and_comments_do_not_count() -> None:
    described = parse('# about it\nFROM x\nCMD ["a", \\\n "b"]\n', {})
    assert described.command == json.loads('["a", "b"]')
