"""Which distributions can wait in C, told by what their libraries need."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from runner.build import waits
from runner.build.waits import Waiting, waiting_in, waits_of
from runner.build.wheels import wheels_of
from tests.support.elf import library
from tests.unit.build.test_wheels import lock_of

WAITS = library(["connect", "recv", "poll"])
LOCKED = (
    "confluent-kafka==2.14 \\\n    --hash=sha256:00\n"
    "gevent==25.9.1 \\\n    --hash=sha256:11\n"
    "markupsafe==3.0.3 \\\n    --hash=sha256:22\n"
)


def packed(path: Path, files: dict[str, bytes]) -> Path:
    """An archive of a distribution's files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"site/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("files", "libraries"),
    [
        ({"kafka.libs/librdkafka-0cb94173.so.1": WAITS}, ("librdkafka",)),
        ({"grpc/cygrpc.cpython-311-x86_64-linux-gnu.so": WAITS}, ("cygrpc",)),
        ({"grpc/x.abi3.so": library(["connect", "recvmsg"])}, ("x",)),
        ({"z.so": WAITS, "a.so": WAITS, "b/a.so.1": WAITS}, ("a", "z")),
        # A system's library.
        ({"MySQLdb/_mysql.so": library(needs=["libmariadb.so.3", "libc.so.6"])}, ("libmariadb",)),
        # The same that comes with it is looked at itself.
        (
            {"x.so": library(needs=["libpq-1234abcd.so.5"]), "libpq-1234abcd.so.5": WAITS},
            ("libpq",),
        ),
        ({"x.so": library(needs=["libpq.so.5"]), "libpq.so.5": library()}, ()),
        # OpenSSL inside, as in cryptography, and what only waits for threads and files.
        ({"_rust.abi3.so": library(["connect", "recvfrom", "poll", "select"])}, ()),
        ({"blas.so": library(["pthread_cond_wait", "read", "nanosleep", "poll"])}, ()),
        # It has them for others.
        ({"libsocks.so": library(exports=["connect", "recv"])}, ()),
        ({"PIL.libs/libxcb-9065bb12.so.1.1.0": WAITS}, ()),
        ({"readme.so.txt": b"text", "broken.so": b"text", "half.so": WAITS[:80]}, ()),
        ({"module.py": b""}, ()),
    ],
)
def test_what_waits(tmp_path: Path, files: dict[str, bytes], libraries: tuple[str, ...]) -> None:
    assert waiting_in(packed(tmp_path / "x.tar", files)) == libraries


def test_what_of_a_lock_waits_and_what_is_not_known(tmp_path: Path) -> None:
    lock = lock_of(LOCKED)
    kafka, gevent, _ = wheels_of(lock)
    packed(tmp_path / "wheels" / kafka.file_name, {"a.libs/librdkafka.so.1": WAITS})
    packed(tmp_path / "wheels" / gevent.file_name, {"gevent/loop.so": WAITS})
    found = waits_of(lock, tmp_path)
    assert found.waiting == (
        Waiting(name="confluent-kafka", version="2.14", libraries=("librdkafka",)),
    )
    assert found.unknown == ("markupsafe",)
    assert str(found.waiting[0]) == "confluent-kafka 2.14 (librdkafka)"


def test_a_distribution_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lock_of(LOCKED)
    kafka = wheels_of(lock)[0]
    archive = packed(tmp_path / "wheels" / kafka.file_name, {"librdkafka.so.1": WAITS})
    before = waits_of(lock, tmp_path)
    archive.unlink()
    assert waits_of(lock, tmp_path) == before
    monkeypatch.setattr(waits, "RULE", waits.RULE + 1)
    assert "confluent-kafka" in waits_of(lock, tmp_path).unknown, "by another rule it is not known"
