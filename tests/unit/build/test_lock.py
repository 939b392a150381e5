"""Locks: what uv's words mean, and which of them are the user's mistake."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runner import resolver
from runner.build.lock import Lock, Unavailable, lock_all, platform_of
from runner.errors import EngineUnavailableError, IndexUnavailableError, SpecError
from runner.matrix.cell import EnvironmentRequest, Requirement
from runner.resolver import causes, condense, resolve, without_addresses

PLATFORM = "x86_64-manylinux_2_28"
LOCKED = "flask==3.1.2 \\\n    --hash=sha256:00\nMarkupSafe==3.0.3 \\\n    --hash=sha256:11\n"


def request(*requirements: tuple[str, str]) -> EnvironmentRequest:
    return EnvironmentRequest(
        python="3.11", requirements=tuple(Requirement(name=n, specifier=s) for n, s in requirements)
    )


def no_solution(why: str) -> str:
    return f"error: No solution found when resolving dependencies\n  cause: Because {why}.\n"


class Uv:
    """Stands in for uv: answers every call alike and counts them."""

    def __init__(self, stdout: str = "", stderr: str = "", code: int = 0) -> None:
        self.answer = subprocess.CompletedProcess([], code, stdout, stderr)
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        return self.answer


def put(monkeypatch: pytest.MonkeyPatch, uv: Uv) -> Uv:
    monkeypatch.setattr("runner.resolver.subprocess.run", uv)
    return uv


def failing(monkeypatch: pytest.MonkeyPatch, stderr: str) -> None:
    put(monkeypatch, Uv(stderr=stderr, code=1))


def test_versions_are_read_from_the_lock() -> None:
    made = Lock(request=request(("flask", "==3.1.*")), platform=PLATFORM, text=LOCKED)
    assert made.versions == {"flask": "3.1.2", "markupsafe": "3.0.3"}
    assert made.key == f"py3.11-{made.digest[:12]}"


def test_a_lock_may_be_empty() -> None:
    assert Lock(request=request(), platform=PLATFORM, text="").pinned == ()


def test_the_digest_knows_python_platform_and_text() -> None:
    asked = request()
    other = EnvironmentRequest(python="3.13", requirements=())
    locks = [
        Lock(request=asked, platform=PLATFORM, text=LOCKED),
        Lock(request=other, platform=PLATFORM, text=LOCKED),
        Lock(request=asked, platform="aarch64-manylinux_2_28", text=LOCKED),
        Lock(request=asked, platform=PLATFORM, text=""),
    ]
    assert len({made.digest for made in locks}) == len(locks)


def test_no_wheels_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(("gevent", "==22.10.2"))
    why = "gevent==22.10.2 has no usable wheels and you require gevent==22.10.2, we can conclude"
    failing(monkeypatch, no_solution(f"{why} that your requirements are unsatisfiable"))
    assert resolve(asked, PLATFORM) == Unavailable(
        request=asked, reason="gevent==22.10.2 has no usable wheels (Python 3.11)"
    )


def test_there_is_no_free_threaded_python_and_uv_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uv = put(monkeypatch, Uv())
    found = resolve(EnvironmentRequest(python="3.14t", requirements=()), PLATFORM)
    assert isinstance(found, Unavailable)
    assert "no base image has a free-threaded Python 3.14" in found.reason
    assert uv.commands == []


@pytest.mark.parametrize("name", ["networkx", "google-cloud-network-management", "connection-x"])
def test_a_package_named_like_the_network_is_no_network_failure(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    failing(
        monkeypatch, no_solution(f"there is no version of {name}==99 and you require {name}==99")
    )
    with pytest.raises(SpecError, match=f"there is no version {name}==99"):
        resolve(request((name, "==99")), PLATFORM)


@pytest.mark.parametrize("range_", ["==5", ">=5,<6"])
def test_a_version_only_a_dependency_asks_for_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, range_: str
) -> None:
    failing(
        monkeypatch,
        no_solution(f"there is no version of beta==5 and alpha==1.0 depends on beta{range_}"),
    )
    found = resolve(request(("alpha", "==1.0")), PLATFORM)
    assert isinstance(found, Unavailable)
    assert found.reason.startswith("there is no version of beta==5")


def test_a_version_that_never_was_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, no_solution("there is no version of flask==99 and you require flask==99"))
    with pytest.raises(SpecError, match="there is no version flask==99"):
        resolve(request(("Flask", "==99")), PLATFORM)


def test_a_dependencys_version_of_a_package_asked_for_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    why = "there is no version of beta==5 and all versions of alpha depend on beta==5"
    failing(monkeypatch, no_solution(why))
    found = resolve(request(("alpha", "==1.0"), ("beta", ">=1")), PLATFORM)
    assert isinstance(found, Unavailable)


def test_an_unknown_package_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, no_solution("nosuch was not found in the package registry and you"))
    with pytest.raises(SpecError, match="there is no package 'nosuch'"):
        resolve(request(("nosuch", "==1")), PLATFORM)


def test_an_index_out_of_reach_is_no_finding_and_is_not_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(
        monkeypatch,
        "error: Request failed after 3 retries\n"
        "  cause: Failed to fetch: `https://localhost/simple/flask/`\n  cause: dns error\n",
    )
    with pytest.raises(IndexUnavailableError) as caught:
        resolve(request(("flask", "==3.1.*")), PLATFORM)
    assert caught.value.exit_code == 3
    assert "localhost" not in str(caught.value)
    assert "Failed to fetch: `an address`: dns error" in str(caught.value)


def test_what_follows_an_address_is_kept() -> None:
    told = without_addresses("request for url (https://a:p)w@localhost/simple/flask/): bad peer")
    assert told == "request for url (an address): bad peer"


def test_the_first_and_the_last_cause_are_told() -> None:
    chain = "error: x\n  cause: Failed to fetch\n  cause: client error\n  cause: invalid peer\n"
    assert causes(chain) == "Failed to fetch: invalid peer"
    assert causes("error: x\n  cause: one\n") == "one"
    assert causes("error: x\nmore") == "error: x"
    assert causes("") == "uv printed nothing"


def test_an_index_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, resolver.TIMEOUT_S)

    monkeypatch.setattr("runner.resolver.subprocess.run", hang)
    with pytest.raises(IndexUnavailableError, match=f"within {resolver.TIMEOUT_S} s"):
        resolve(request(("flask", "==3.1.*")), PLATFORM)


def test_uv_is_asked_for_wheels_with_hashes_on_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    uv = put(monkeypatch, Uv(stdout=LOCKED))
    dated = EnvironmentRequest(python="3.9", requirements=(), exclude_newer="2023-05-01")
    assert isinstance(resolve(dated, PLATFORM), Lock)
    words = " ".join(uv.commands[0])
    for part in (
        "--only-binary :all:",
        "--python-version 3.9",
        f"--python-platform {PLATFORM}",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--exclude-newer 2023-05-01",
    ):
        assert part in words


def test_a_lock_is_asked_for_once_unless_fresh(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uv = put(monkeypatch, Uv(stdout=LOCKED))
    asked = [request(("flask", "==3.1.*"))]
    first = lock_all(asked, platform=PLATFORM, cache_directory=tmp_path)
    assert lock_all(asked, platform=PLATFORM, cache_directory=tmp_path) == first
    assert len(uv.commands) == 1
    lock_all(asked, platform=PLATFORM, cache_directory=tmp_path, fresh=True)
    assert len(uv.commands) == 2


def test_what_is_unavailable_is_kept_until_a_fresh_lock_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = [EnvironmentRequest(python="3.11", requirements=(), exclude_newer="2026-11-01")]
    uv = put(monkeypatch, Uv(code=1, stderr=no_solution("of wheels")))
    first = lock_all(wanted, platform=PLATFORM, cache_directory=tmp_path)
    assert isinstance(first[wanted[0]], Unavailable)
    assert lock_all(wanted, platform=PLATFORM, cache_directory=tmp_path) == first
    assert len(uv.commands) == 1
    put(monkeypatch, Uv(stdout=LOCKED))
    fresh = lock_all(wanted, platform=PLATFORM, cache_directory=tmp_path, fresh=True)
    assert isinstance(fresh[wanted[0]], Lock)
    assert lock_all(wanted, platform=PLATFORM, cache_directory=tmp_path) == fresh
    put(monkeypatch, Uv(code=1, stderr=no_solution("of wheels")))
    lock_all(wanted, platform=PLATFORM, cache_directory=tmp_path, fresh=True)
    assert lock_all(wanted, platform=PLATFORM, cache_directory=tmp_path) == first


def test_a_resolver_that_was_killed_says_nothing_of_the_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(monkeypatch, Uv(code=-2))
    wanted = [EnvironmentRequest(python="3.11", requirements=(), exclude_newer="2026-11-01")]
    with pytest.raises(EngineUnavailableError, match="exit status -2"):
        lock_all(wanted, platform=PLATFORM, cache_directory=tmp_path)
    assert not list(tmp_path.rglob("*.unavailable"))


def test_what_is_unavailable_today_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a date, tomorrow may bring the wheel."""
    uv = put(monkeypatch, Uv(code=1, stderr=no_solution("of wheels")))
    for _ in range(2):
        lock_all([request(("flask", "==3.1.*"))], platform=PLATFORM, cache_directory=tmp_path)
    assert len(uv.commands) == 2


def test_another_date_is_another_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uv = put(monkeypatch, Uv(stdout=LOCKED))
    for date in (None, "2026-11-01"):
        asked = EnvironmentRequest(python="3.11", requirements=(), exclude_newer=date)
        lock_all([asked], platform=PLATFORM, cache_directory=tmp_path)
    assert len(uv.commands) == 2


def test_a_reason_names_no_address() -> None:
    reason = condense("error: x\n  cause: flask at https://localhost/simple is yanked", "3.11")
    assert reason == "flask at an address is yanked (Python 3.11)"


def test_an_architecture_without_wheels_is_refused() -> None:
    assert platform_of("amd64") == PLATFORM
    with pytest.raises(SpecError, match="riscv64"):
        platform_of("riscv64")
