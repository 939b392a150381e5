"""What is said of addresses where no Dask scheduler is, and of TLS."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import dask
import pytest
import yaml

from runner.commands.hosts.dask_extra import distributed
from runner.commands.hosts.pool import DaskPool
from runner.commands.hosts.reach import reach
from runner.errors import EngineUnavailableError, MatrixError, UsageError

ROOT = Path(__file__).parents[4]
WORK = """
import sys
from pathlib import Path
from runner.commands.hosts.worker import serve
from runner.errors import MatrixError
from tests.support.hosts import memory_post
try:
    serve(sys.argv[1], memory_post(Path(sys.argv[2]), "a"), host=sys.argv[3] or None)
except MatrixError as error:
    sys.exit(str(error))
"""
#: Where docs/hosts.md has the certificates.
PLACE = "/etc/monkey-matrix"


def worker(scheduler: str, directory: Path, host: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORK, scheduler, str(directory), host],
        cwd=ROOT,
        env=os.environ | {"DASK_CONFIG": str(directory)},
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def listening(answer: bytes) -> Iterator[str]:
    """The address of a server that says this, and nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as taken:

        def serve() -> None:
            with suppress(OSError):  # nobody came, or left already
                connection = taken.enter_context(server.accept()[0])
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1:8786", "tcp://", "tcp://a", "tcp://a:b", "tcp://a:99999", "http://a:80"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="write tcp://HOST:8786"):
        DaskPool(address)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9], ids=["silent", "http"]
)
def test_what_is_no_scheduler_is_not_waited_for(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.commands.hosts.reach.ANSWER_S", 0.5)
    with (
        listening(answer) as address,
        pytest.raises(EngineUnavailableError, match=rf"{address}: no Dask scheduler .*dask sch"),
    ):
        DaskPool(address)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two directories, each with an authority and a certificate, made as the docs say."""
    top = tmp_path_factory.mktemp("tls")
    document = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\n(.*?)```", document, re.DOTALL)
    commands = next(block for block in blocks if "openssl" in block)
    config = next(block for block in blocks if "ca-file" in block)
    for name in ("own", "other"):
        directory = top / name
        directory.mkdir()
        subprocess.run(["sh", "-ec", commands], cwd=directory, capture_output=True, check=True)
        text = config.replace(PLACE, str(directory))
        (directory / "distributed.yaml").write_text(text, encoding="utf-8")
    return top


@contextmanager
def configured(directory: Path) -> Iterator[None]:
    """As if Dask's configuration was there."""
    found = yaml.safe_load((directory / "distributed.yaml").read_text())
    distributed()  # its first import adds its defaults, which would go at the end of the block
    with dask.config.set(dask.config.merge(dask.config.config, found)):
        yield


@pytest.fixture(scope="module")
def scheduler(certificates: Path) -> Iterator[str]:
    """One that uses TLS."""
    with configured(certificates / "own"):
        cluster = distributed().LocalCluster(
            n_workers=0, host="127.0.0.1", scheduler_port=0, dashboard_address="127.0.0.1:0"
        )
    with closing(cluster):
        yield cluster.scheduler_address


def test_client_and_worker_meet_by_tls(scheduler: str, certificates: Path) -> None:
    process = worker(scheduler, certificates / "own")
    with configured(certificates / "own"), closing(DaskPool(scheduler)) as pool:
        while not (hosts := pool.hosts()):
            assert process.poll() is None
        assert {host.partition("127")[0] for host in (scheduler, *hosts)} == {"tls://"}
        pool.submit(next(iter(hosts)), os.getpid)
        while not (ended := pool.next_ended(0.2)):
            pass
        assert ended.result == process.pid
        process.terminate()
        process.communicate()


def test_a_worker_of_another_authority_is_told_so(
    scheduler: str, certificates: Path, tmp_path: Path
) -> None:
    text = (certificates / "other" / "distributed.yaml").read_text()
    (tmp_path / "distributed.yaml").write_text(text.replace("other/ca.pem", "own/ca.pem"))
    process = worker(scheduler, tmp_path)
    _, said = process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(rf"{scheduler}: TLS fails \(.*\): .* same authority, .*\n", said), said


def test_a_worker_that_cannot_listen_says_so(
    scheduler: str, certificates: Path, tmp_path: Path
) -> None:
    text = (certificates / "own" / "distributed.yaml").read_text()
    (tmp_path / "distributed.yaml").write_text(text)
    process = worker(scheduler, tmp_path, "192.0.2.1")
    _, said = process.communicate()
    assert re.fullmatch(rf"cannot serve {scheduler} at 192\.0\.2\.1.*--listen and --port\n", said)


@pytest.mark.parametrize("host", ["::1", "[::1]", "2001:db8::9"])
def test_a_worker_at_an_address_of_ipv6_serves_or_says_why_not(
    scheduler: str, certificates: Path, tmp_path: Path, host: str
) -> None:
    text = (certificates / "own" / "distributed.yaml").read_text()
    (tmp_path / "distributed.yaml").write_text(text)
    process = worker(scheduler, tmp_path, host)
    assert process.stderr
    said = process.stderr.readline()
    process.terminate()
    process.communicate()
    written = re.escape(host if host.startswith("[") else f"[{host}]")
    # Not every machine has the address.
    assert re.match(rf"(serving \S+ at tls://{written}:|cannot serve \S+ at {written}, )", said), (
        said
    )


def said_of(address: str) -> str:
    """The error."""
    with pytest.raises(MatrixError) as raised:
        asyncio.run(reach(address, "client"))
    return str(raised.value)


def test_certificates_that_do_not_suit_are_named(
    scheduler: str, certificates: Path, tmp_path: Path
) -> None:
    plain = scheduler.replace("tls://", "tcp://")
    assert "TLS needs certificates" in said_of(scheduler)
    assert "does it use TLS, tls://?" in said_of(plain)
    with configured(certificates / "other"):
        assert "TLS fails (CERTIFICATE_VERIFY_FAILED)" in said_of(scheduler)
    with configured(certificates / "own"):
        assert "write tls://" in said_of(plain)
        with dask.config.set({"distributed.comm.tls.ca-file": str(tmp_path / "ca.pem")}):
            assert f"{tmp_path}/ca.pem: Dask's configuration" in said_of(scheduler)
        with dask.config.set(
            {"distributed.comm.tls.client.key": str(certificates / "other" / "host.key")}
        ):
            assert "TLS cannot use them (" in said_of(scheduler)


def test_a_scheduler_without_tls_that_speaks_first_is_told_from_none(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(*_args: object, **_options: object) -> None:
        raise OSError("timed out") from ValueError("IOStream is not idle; cannot convert to SSL")

    monkeypatch.setattr(distributed().comm, "connect", late)
    with configured(certificates / "own"):
        said = said_of("tls://127.0.0.1:9")
    assert re.search(r": TLS fails \(.+\): the scheduler must use TLS, too", said)
