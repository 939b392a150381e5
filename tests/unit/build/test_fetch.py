"""Source archives of an index: found by uv, fetched as data, compared with the lock."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner.application.pins import Sdist
from runner.build.fetch import Remote, fetch, located, sha256
from runner.errors import EngineError, IndexUnavailableError
from runner.matrix.cell import EnvironmentRequest
from tests.support.index import Index, index_in

REQUEST = EnvironmentRequest(python="3.11", requirements=())
PLATFORM = "x86_64-manylinux_2_28"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    return index_in(tmp_path, monkeypatch)


class Server(ThreadingHTTPServer):
    """Answers every request with the same, and notes who asked."""

    def __init__(self) -> None:
        self.authorized: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.authorized.append(self.headers.get("Authorization"))
                self.send_response(404 if "missing" in self.path else 200)
                self.end_headers()
                self.wfile.write(b"content")

            def log_message(self, *_: object) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/x-1.0.tar.gz"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_uv_tells_where_a_source_is_and_runs_nothing_of_it(index: Index, tmp_path: Path) -> None:
    index.sdist("shop", "1.0")
    index.sdist("shop", "2.0")
    found = located(Sdist(name="shop", version="1.0"), REQUEST, PLATFORM)
    assert found.url.endswith("/shop-1.0.tar.gz")
    fetch(found, tmp_path / "archive", "shop 1.0")
    assert found.hashes == (sha256(tmp_path / "archive"),)
    assert not index.trace.exists()


def test_the_hashes_of_the_lock_count(index: Index, tmp_path: Path) -> None:
    index.sdist("shop", "1.0")
    sdist = Sdist(name="shop", version="1.0", hashes=("sha256:00", "md5:11"))
    with pytest.raises(EngineError, match=r"another source of shop 1\.0 than the lock"):
        fetch(located(sdist, REQUEST, PLATFORM), tmp_path / "archive", "shop 1.0")
    assert not (tmp_path / "archive").exists()


def test_a_source_that_the_index_has_not(index: Index) -> None:
    index.wheel("shop", "1.0")
    with pytest.raises(EngineError, match=r"has no source of shop 1\.0"):
        located(Sdist(name="shop", version="1.0"), REQUEST, PLATFORM)


@pytest.mark.parametrize("path", ["missing.tar.gz", ""])
def test_what_cannot_be_fetched_is_the_index_and_without_its_address(
    path: str, server: Server, tmp_path: Path
) -> None:
    url = server.url.replace("x-1.0.tar.gz", path) if path else "http://127.0.0.1:9/x.tar.gz"
    with pytest.raises(IndexUnavailableError, match=r"source of x 1\.0 cannot be fetched") as error:
        fetch(Remote(url=url), tmp_path / "archive", "x 1.0")
    assert "127.0.0.1" not in str(error.value)


@pytest.mark.parametrize("where", ["address", "UV_INDEX_URL", "UV_INDEX", "netrc", "another host"])
def test_a_password_is_sent_from_where_uv_has_it(
    where: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    host = "127.0.0.1" if where == "netrc" else "localhost"
    netrc.write_text(f"machine {host} login me password p%40ss\n".replace("%40", "@"))
    monkeypatch.setenv("NETRC", str(netrc))
    url, known = server.url, f"{server.url}/simple".replace("//", "//me:p%40ss@", 1)
    if where == "address":
        url = known
    elif where == "UV_INDEX":
        monkeypatch.setenv(where, f"https://localhost/simple company={known}")
    elif where == "another host":
        monkeypatch.setenv("UV_INDEX_URL", known.replace("127.0.0.1", "localhost"))
    elif where == "UV_INDEX_URL":
        monkeypatch.setenv(where, known)
    fetch(Remote(url=url), tmp_path / "archive", "x 1.0")
    sent = f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    assert server.authorized == [None if where == "another host" else sent]
    assert (tmp_path / "archive").read_bytes() == b"content"
