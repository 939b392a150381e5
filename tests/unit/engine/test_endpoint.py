"""Which engine the settings name, with settings of a test's own."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from runner.engine import endpoint as endpoints
from runner.engine.connection import connect, why_unavailable
from runner.engine.endpoint import Certificates, Endpoint, check_credential_helpers, endpoint
from runner.errors import EngineError, EngineUnavailableError, NoEngineError

ELSEWHERE = "unix:///elsewhere.sock"


@pytest.fixture(autouse=True)
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The CLI's settings, empty; nothing in the environment."""
    for name in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    directory = tmp_path / ".docker"
    directory.mkdir()
    return directory


def a_context(
    docker: Path, name: str = "other", host: str = ELSEWHERE, *, skips: bool = False
) -> str:
    """Store a context as the CLI does; return the digest that it is stored under."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = docker / "contexts" / "meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": skips}}
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))
    return digest


def use(docker: Path, name: str) -> None:
    (docker / "config.json").write_text(json.dumps({"currentContext": name}))


def certificates(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True)
    for name in names:
        (directory / f"{name}.pem").touch()


def refused() -> str:
    with pytest.raises(EngineUnavailableError) as caught:
        endpoint()
    assert not isinstance(caught.value, NoEngineError)
    return str(caught.value)


def test_without_settings_it_is_this_machines() -> None:
    assert endpoint() == Endpoint(address=endpoints.DEFAULT)


def test_a_context_in_use_is_followed(docker: Path) -> None:
    a_context(docker)
    use(docker, "other")
    assert str(endpoint()) == f"{ELSEWHERE} (the Docker context 'other')"


def test_a_context_of_the_environment_needs_no_settings_file(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_context(docker)
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert endpoint().address == ELSEWHERE


def test_the_environment_comes_before_what_is_in_use(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_context(docker)
    use(docker, "other")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert endpoint() == Endpoint(address=endpoints.DEFAULT)
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    monkeypatch.setenv("DOCKER_HOST", "unix:///of-host.sock")
    assert str(endpoint()) == "unix:///of-host.sock (DOCKER_HOST)"


def test_the_settings_may_be_elsewhere(
    docker: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    moved = docker.rename(tmp_path / "moved")
    a_context(moved)
    use(moved, "other")
    assert endpoint().address == endpoints.DEFAULT
    monkeypatch.setenv("DOCKER_CONFIG", str(moved))
    assert endpoint().address == ELSEWHERE


@pytest.mark.parametrize("stored", [None, "", "[]", "{}", '{"Endpoints": {"docker": {}}}'])
def test_a_context_that_is_not_there_is_not_the_default_one(
    docker: Path, stored: str | None
) -> None:
    use(docker, "other")
    if stored is not None:
        meta = docker / "contexts" / "meta" / a_context(docker) / "meta.json"
        meta.write_text(stored)
    assert "the Docker context 'other' names no engine" in refused()


def test_a_context_that_has_no_digest_is_not_there(docker: Path) -> None:
    use(docker, "\ud800")
    assert "names no engine" in refused()


def by_context(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_context(docker, host="ssh://127.0.0.1")
    use(docker, "other")


def by_host(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://127.0.0.1")


@pytest.mark.parametrize("named", [by_context, by_host])
def test_an_engine_behind_ssh_has_a_remedy(
    docker: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    named(docker, monkeypatch)
    assert "ssh -nNT -L" in refused()
    assert "docker.sock ssh://127.0.0.1 &`" in refused()


def test_the_port_and_the_socket_of_an_engine_behind_ssh_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://a@127.0.0.1:2222/run/user/1000/docker.sock")
    assert "engine.sock:/run/user/1000/docker.sock ssh://a@127.0.0.1:2222 &`" in refused()


# -- TLS -------------------------------------------------------------------------------------------


def test_a_contexts_certificates_are_used(docker: Path) -> None:
    digest = a_context(docker, host="tcp://127.0.0.1:2376", skips=True)
    use(docker, "other")
    assert endpoint().certificates is None
    tls = docker / "contexts" / "tls" / digest / "docker"
    certificates(tls, "ca", "cert", "key")
    assert endpoint().certificates == Certificates(
        authority=tls / "ca.pem", client=(tls / "cert.pem", tls / "key.pem"), verify=False
    )


@pytest.mark.parametrize("name", ["DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"])
def test_tls_for_a_socket_is_a_mistake(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert refused().startswith(f"{name} is set, and unix:///")
    assert "unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH" in refused()


def test_missing_certificates_are_named(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    (docker / "ca.pem").touch()
    assert f"{docker} has no cert.pem, no key.pem" in refused()
    (docker / "cert.pem").touch()
    (docker / "key.pem").touch()
    found = endpoint().certificates
    assert found
    assert found.verify


def test_the_environments_certificates_are_not_for_a_context(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_context(docker)
    use(docker, "other")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert endpoint().certificates is None


# -- what does not answer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "unix:/var/run/docker.sock",
        "tcp://127.0.0.1:99999",
        " ",
        "fd://",
        "npipe:////x",
    ],
)
def test_what_is_no_address_is_named_as_such(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineUnavailableError) as caught:
        connect()
    assert "DOCKER_HOST names no address of an engine" in str(caught.value)
    assert "`unset DOCKER_HOST`" in str(caught.value)


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "unix:///nowhere/engine.sock"])
def test_the_cause_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    cause = "Connection refused" if host.startswith("tcp") else "No such file or directory"
    with pytest.raises(EngineUnavailableError, match=rf"\(DOCKER_HOST\): {cause}; start"):
        connect()


def test_the_remedy_is_that_of_the_setting(docker: Path) -> None:
    a_context(docker, host="tcp://127.0.0.1:1")
    use(docker, "other")
    with pytest.raises(EngineUnavailableError) as caught:
        connect()
    remedy = "correct the Docker context 'other', or use this machine's engine: `docker context use"
    assert remedy in str(caught.value)
    assert "unset DOCKER_HOST" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"[1, 2]", b'{"ApiVersion": "new"}', b"{}"])
def test_a_server_that_is_no_engine_is_named_as_such(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    with answering(body) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(EngineUnavailableError, match="is no container engine"):
            connect()


def test_answers_of_what_only_looks_like_an_engine_are_errors_of_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with answering(b'{"ApiVersion": "1.41"}') as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with contextlib.closing(connect()) as engine:
            for ask in (engine.info, engine.owned, engine.images):
                with pytest.raises(EngineError, match="no engine answers like that"):
                    ask()


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A web server that answers everything alike; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


REMOTE = Endpoint(address="tcp://127.0.0.1:2376", named_by="DOCKER_HOST")
SECURED = Endpoint(
    address="tcp://127.0.0.1:2375",
    named_by="DOCKER_HOST",
    certificates=Certificates(authority=Path("ca.pem"), client=None, verify=True),
)


@pytest.mark.parametrize(
    ("named", "error", "remedy"),
    [
        (REMOTE, "400: Client sent an HTTP request to an HTTPS server.", "DOCKER_TLS_VERIFY=1"),
        (SECURED, "SSLError(1, '[SSL: WRONG_VERSION_NUMBER]')", "unset DOCKER_TLS_VERIFY"),
        (SECURED, "certificate verify failed", "correct DOCKER_CERT_PATH"),
        (REMOTE, "Connection refused", "unset DOCKER_HOST"),
        (Endpoint(address=endpoints.DEFAULT), "Connection refused", "`--install`"),
        (Endpoint(address=endpoints.DEFAULT), "Permission denied", "`usermod -aG docker NAME`"),
        (REMOTE, "Read timed out.", "does not answer within"),
    ],
)
def test_each_failure_has_its_own_remedy(named: Endpoint, error: str, remedy: str) -> None:
    told = why_unavailable(named, OSError(error))
    assert remedy in told
    assert named.address in told


def test_the_engines_authority_comes_before_the_one_of_web_sites(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ca", "cert", "key"):
        (docker / f"{name}.pem").touch()
    for name, value in {
        "DOCKER_HOST": "tcp://127.0.0.1:2376", "DOCKER_TLS_VERIFY": "1",
        "REQUESTS_CA_BUNDLE": "/of/web/sites.pem", "https_proxy": "http://127.0.0.1:3128",
        "no_proxy": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    asked: dict[str, object] = {}

    def send(*_: object, **settings: object) -> None:
        asked.update(settings)
        raise requests.ConnectionError("seen")

    monkeypatch.setattr(requests.Session, "send", send)
    with pytest.raises(EngineUnavailableError, match="seen"):
        connect()
    assert asked["verify"] == str(docker / "ca.pem")
    assert dict(asked["proxies"])["https"] == "http://127.0.0.1:3128"  # type: ignore[call-overload]


def test_a_host_out_of_reach_is_not_said_to_accept_connections() -> None:
    told = why_unavailable(REMOTE, requests.ConnectTimeout("timed out"))
    assert "no container engine answers" in told


# -- whether an engine may be started --------------------------------------------------------------


def test_only_a_socket_where_nobody_listens_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    here = Endpoint(address=f"unix://{path}")
    assert here.is_silent
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert here.is_silent
        server.listen()
        assert not here.is_silent
    assert here.is_silent
    assert not Endpoint(address="tcp://127.0.0.1:1").is_silent


@pytest.mark.parametrize("name", ["", "DOCKER_HOST"])
def test_an_engine_may_be_started_only_where_the_usual_one_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    missing = f"unix://{tmp_path}/missing.sock"
    monkeypatch.setattr(endpoints, "DEFAULT", missing)
    if name:
        monkeypatch.setenv(name, missing)
    with pytest.raises(EngineUnavailableError) as caught:
        connect()
    assert isinstance(caught.value, NoEngineError) is (not name)


# -- credentials -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"credsStore": "absent"}, {"credHelpers": {"localhost": "absent"}}]
)
def test_a_credential_helper_must_be_installed(
    docker: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, object]
) -> None:
    (docker / "config.json").write_text(json.dumps(settings))
    with pytest.raises(EngineUnavailableError, match="docker-credential-absent"):
        check_credential_helpers()
    helper = tmp_path / "bin" / "docker-credential-absent"
    helper.parent.mkdir()
    helper.touch(0o755)
    monkeypatch.setenv("PATH", str(helper.parent), prepend=os.pathsep)
    check_credential_helpers()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"credHelpers": []}'])
def test_settings_that_say_nothing_are_none(docker: Path, text: str) -> None:
    (docker / "config.json").write_text(text)
    check_credential_helpers()
    assert endpoint().address == endpoints.DEFAULT


@pytest.mark.parametrize(
    "settings",
    [
        {"auths": 5},
        {"auths": {"x": 5}},
        {"HttpHeaders": 5},
        {"HttpHeaders": {"X": 5}},
        {"auths": {"x": {"auth": "!"}}},
        {"credHelpers": "x"},
    ],
)
def test_settings_that_docker_py_cannot_read_are_named(
    docker: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    (docker / "config.json").write_text(json.dumps(settings))
    monkeypatch.setenv("DOCKER_CONFIG", str(docker))
    with pytest.raises(EngineUnavailableError, match=r"config.json: these are no settings"):
        connect()
