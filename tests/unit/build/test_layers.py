"""Layers: the same bytes on every machine, each path once, and shared by as many as can be."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from runner.build.layers import (
    ABANDONED_AFTER_S,
    MOST_LAYERS,
    File,
    Layer,
    Tar,
    aside,
    shared_layers,
    whole,
)
from tests.support.builds import packed_distribution


def opened(tar: Tar) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(tar)))


def contents(tar: Tar) -> dict[str, str]:
    with opened(tar) as archive:
        return {m.name: f.read().decode() for m in archive if (f := archive.extractfile(m))}


def test_an_archives_size_is_known_before_it_is_written(tmp_path: Path) -> None:
    one = packed_distribution(tmp_path, "one", {"one/a.py": "a" * 700, "one/b.py": ""})
    two = packed_distribution(tmp_path, "two", {f"two/{'deep/' * 40}x.py": "x"})
    tar = Tar(Layer(title="", packed=(one, two), files=(File(path="data", content=None),)))
    assert tar.size == len(b"".join(tar))


def test_the_same_files_are_the_same_bytes_whenever_and_however_made(tmp_path: Path) -> None:
    digests = set()
    for number, order in enumerate((["a", "b"], ["b", "a"])):
        directory = tmp_path / str(number)
        directory.mkdir()
        before = os.umask(0o077 if number else 0o022)
        archive = packed_distribution(directory, "one", {f"one/{name}.py": name for name in order})
        os.umask(before)
        os.utime(archive, (number, number))
        tar = Tar(Layer(title="", packed=(archive,)))
        digests.add(hashlib.sha256(b"".join(tar)).hexdigest())
    assert len(digests) == 1


def test_every_directory_is_there_once_and_readable(tmp_path: Path) -> None:
    """An engine refuses a path twice, and gives a directory that is missing to root alone."""
    one = packed_distribution(tmp_path, "one", {"zope/event/x.py": ""})
    two = packed_distribution(tmp_path, "two", {"zope/interface/y.py": ""})
    with opened(Tar(Layer(title="", packed=(one, two)))) as tar:
        found = [(m.name, m.mode, m.uid, m.mtime) for m in tar if m.isdir()]
    names = ["site", "site/zope", "site/zope/event", "site/zope/interface"]
    assert found == [(name, 0o755, 0, 0) for name in names]


def test_a_file_of_two_distributions_is_there_once_as_the_later_has_it(tmp_path: Path) -> None:
    one = packed_distribution(tmp_path, "one", {"a.py": "1", "shared.py": "of one", "z.py": "1"})
    two = packed_distribution(tmp_path, "two", {"shared.py": "of two"})
    tar = Tar(Layer(title="", packed=(one, two)))
    assert contents(tar) == {"site/a.py": "1", "site/shared.py": "of two", "site/z.py": "1"}
    with opened(tar) as archive:
        assert archive.getnames() == ["site", "site/a.py", "site/z.py", "site/shared.py"]
    assert tar.size == len(b"".join(tar))


def test_a_file_has_the_owner_that_it_was_given() -> None:
    files = (File(path="data", content=None, owner=(7001, 7002)), File(path="x", content=b"1"))
    with opened(Tar(Layer(title="", files=files))) as tar:
        assert [(m.name, m.uid, m.gid, m.mode) for m in tar] == [
            ("data", 7001, 7002, 0o755),
            ("x", 0, 0, 0o644),
        ]


def test_what_the_same_images_hold_is_one_layer_and_what_most_hold_comes_first(
    tmp_path: Path,
) -> None:
    flask, click, old, new, grpc = (
        packed_distribution(tmp_path, name, {f"{name}.py": name})
        for name in ("flask", "click", "old", "new", "grpc")
    )
    layers = shared_layers(
        {
            "none": [click, flask],
            "old": [click, flask, old],
            "new": [click, flask, new],
            "new grpc": [click, flask, grpc, new],
        }
    )
    assert {name: [set(layer.packed) for layer in found] for name, found in layers.items()} == {
        "none": [{click, flask}],
        "old": [{click, flask}, {old}],
        "new": [{click, flask}, {new}],
        "new grpc": [{click, flask}, {new}, {grpc}],
    }
    assert layers["none"][0] == layers["new grpc"][0]
    assert layers["new"][0].title == "click-1.0 flask-1.0"


def test_a_distribution_and_its_bytecode_are_one_layer_with_one_name(tmp_path: Path) -> None:
    flask = packed_distribution(tmp_path, "flask", {"flask.py": ""})
    (tmp_path / "bytecode").mkdir()
    compiled = packed_distribution(tmp_path / "bytecode", "flask", {"__pycache__/flask.pyc": ""})
    (layer,) = shared_layers({"": [flask, compiled]})[""]
    assert (layer.title, set(layer.packed)) == ("flask-1.0", {flask, compiled})


def test_an_image_whose_distributions_collide_has_one_layer(tmp_path: Path) -> None:
    """Two layers of which one hides the other's file would depend on their order."""
    one = packed_distribution(tmp_path, "one", {"shared.py": "1", "a.py": ""})
    two = packed_distribution(tmp_path, "two", {"shared.py": "2"})
    layers = shared_layers({"both": [one, two], "one": [one]})
    assert [layer.packed for layer in layers["both"]] == [(one, two)]
    assert contents(Tar(*layers["both"]))["site/shared.py"] == "2"


def test_there_are_never_more_layers_than_an_engine_takes(tmp_path: Path) -> None:
    number = MOST_LAYERS + 20
    archives = [packed_distribution(tmp_path, f"p{n}", {f"p{n}.py": ""}) for n in range(number)]
    sites = {n: archives[n:] for n in range(number)}
    layers = shared_layers(sites)
    assert max(len(found) for found in layers.values()) == MOST_LAYERS
    assert sorted(path for layer in layers[0] for path in layer.packed) == sorted(archives)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513])
def test_a_file_is_padded(size: int) -> None:
    assert len(whole("x", bytes(size))) % 512 == 0


def test_an_archive_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    archive = tmp_path / "wheels" / "x.tar"
    with contextlib.suppress(KeyboardInterrupt), aside(archive) as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt
    assert list(archive.parent.iterdir()) == []
    with aside(archive) as unfinished:
        unfinished.write_text("all")
        assert not archive.exists()
    assert archive.read_text() == "all"
    assert list(archive.parent.iterdir()) == [archive]


def test_what_a_killed_process_left_goes_and_what_another_is_writing_stays(tmp_path: Path) -> None:
    left, written = tmp_path / ".unpacking-old", tmp_path / ".unpacking-new"
    for directory in (left, written):
        (directory / "site").mkdir(parents=True)
    long_ago = time.time() - ABANDONED_AFTER_S - 60
    os.utime(left, (long_ago, long_ago))
    with aside(tmp_path / "x.tar") as unfinished:
        unfinished.write_text("")
    assert sorted(tmp_path.iterdir()) == [written, tmp_path / "x.tar"]


def test_a_single_file_or_link_counts_before_one_in_an_archive(tmp_path: Path) -> None:
    one = packed_distribution(
        tmp_path, "one", {"a.py": "of the archive", "b.py": "kept", "c.py": "kept too"}
    )
    single = File(path="site/a.py", content=None, target="/files/0")
    tar = Tar(Layer(title="", packed=(one,)), Layer(title="", files=(single,)))
    with opened(tar) as archive:
        entries = [(m.name, m.linkname) for m in archive if not m.isdir()]
    assert entries == [("site/a.py", "/files/0"), ("site/b.py", ""), ("site/c.py", "")]
    assert tar.size == len(b"".join(tar))
