"""Giving a Debian machine what it lacks, with every command and daemon replaced."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runner import provision
from runner.errors import EngineUnavailableError, NoEngineError

MISSING = NoEngineError("no engine answers: start it")
UNUSABLE = EngineUnavailableError("an engine answers, and wants TLS: see to the settings")


class Machine:
    """A root's Debian where nothing is installed and no engine answers, until `answers` runs out.

    `commands` is what was run on it, `said` what the user was told.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.commands: list[list[str]] = []
        self.said: list[str] = []
        self.tools = {"apt-get"}
        self.silent_for = 0
        self.problem: EngineUnavailableError = MISSING
        self.answers: list[tuple[int, str]] = []
        self.daemon_code: int | None = None
        self.log = tmp_path / "dockerd.log"
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
        monkeypatch.delenv("DOCKER_CONFIG", raising=False)
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
        monkeypatch.setattr(provision, "DAEMON_LOG", self.log)
        monkeypatch.setattr(provision, "POLL_S", 0)
        monkeypatch.setattr("runner.provision.os.geteuid", lambda: 0)
        monkeypatch.setattr(
            "runner.provision.shutil.which", lambda t: t if t in self.tools else None
        )
        monkeypatch.setattr("runner.provision.subprocess.run", self._run)
        monkeypatch.setattr(provision, "_detached_daemon", lambda: self)
        monkeypatch.setattr(provision, "engine_problem", self._problem)
        # No systemd, whatever runs the machine that this test runs on.
        real = Path.is_dir
        monkeypatch.setattr(Path, "is_dir", lambda p: str(p) != "/run/systemd/system" and real(p))

    def _run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        code, errors = self.answers.pop(0) if self.answers else (0, "")
        return subprocess.CompletedProcess(command, code, "", errors)

    def _problem(self) -> EngineUnavailableError | None:
        self.silent_for -= 1
        return self.problem if self.silent_for >= 0 else None

    def poll(self) -> int | None:
        return self.daemon_code


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


def test_an_engine_that_answers_is_used_as_it_is(machine: Machine) -> None:
    provision.ensure_engine(machine.said.append)
    assert machine.commands == []
    assert machine.said == []


def test_a_missing_engine_is_installed_and_started(machine: Machine) -> None:
    machine.silent_for = 4
    provision.ensure_engine(machine.said.append)
    assert [command[3] for command in machine.commands] == ["update", "install"]
    assert machine.commands[1][-2:] == ["docker.io", "iptables"]
    assert "--no-install-recommends" in machine.commands[1]
    assert machine.said == [
        "installing docker.io iptables with apt-get",
        f"starting dockerd, its log goes to {machine.log}",
    ]


def test_an_installed_engine_is_only_started(machine: Machine) -> None:
    machine.silent_for = 3
    machine.tools.add("dockerd")
    provision.ensure_engine(machine.said.append)
    assert machine.commands == []
    assert machine.said == [f"starting dockerd, its log goes to {machine.log}"]


def test_no_second_engine_is_started_where_one_cannot_be_used(machine: Machine) -> None:
    """It would delete the first one's bridge. So is an engine of the user's settings left alone."""
    machine.silent_for = 99
    machine.problem = UNUSABLE
    machine.tools.add("dockerd")
    with pytest.raises(EngineUnavailableError, match="see to the settings"):
        provision.ensure_engine(machine.said.append)
    assert machine.commands == []
    assert machine.said == []


@pytest.mark.parametrize("lacks", ["root", "apt-get"])
def test_elsewhere_it_says_what_to_do(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    machine.silent_for = 99
    if lacks == "root":
        monkeypatch.setattr("runner.provision.os.geteuid", lambda: 1000)
    else:
        machine.tools.clear()
    with pytest.raises(EngineUnavailableError, match="start it"):
        provision.ensure_engine(machine.said.append)
    assert machine.commands == []


def test_a_daemon_that_dies_leaves_its_last_words(machine: Machine) -> None:
    machine.silent_for = 99
    machine.tools.add("dockerd")
    machine.daemon_code = 1
    machine.log.write_text("starting\nfailed to start daemon: no iptables\n")
    with pytest.raises(EngineUnavailableError, match="no iptables"):
        provision.ensure_engine(machine.said.append)


def test_a_daemon_that_never_answers_is_given_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.silent_for = 10_000
    machine.tools.add("dockerd")
    monkeypatch.setattr(provision, "START_TIMEOUT_S", 0.0)
    with pytest.raises(EngineUnavailableError, match="start it"):
        provision.ensure_engine(machine.said.append)


def test_the_error_of_apt_get_is_shown(machine: Machine) -> None:
    machine.answers = [(100, "E: no such package\n")]
    with pytest.raises(EngineUnavailableError, match="E: no such package"):
        provision.install_packages(["nothing"], machine.said.append)


def test_a_tool_that_is_there_is_left_alone(machine: Machine) -> None:
    machine.tools.add("mmdebstrap")
    provision.install([provision.MMDEBSTRAP], machine.said.append)
    assert machine.commands == []
    machine.tools.discard("mmdebstrap")
    provision.install([provision.MMDEBSTRAP], machine.said.append)
    assert machine.commands[-1][-2:] == ["mmdebstrap", "debian-archive-keyring"]


def test_engine_and_tools_are_installed_in_one_go(machine: Machine) -> None:
    machine.silent_for = 4
    provision.ensure_engine(machine.said.append, [provision.MMDEBSTRAP])
    assert len(machine.commands) == 2
    assert machine.commands[1][-4:-1] == ["docker.io", "iptables", "mmdebstrap"]


def test_every_apt_get_waits_for_the_lock_of_dpkg(machine: Machine) -> None:
    provision.install_packages(["something"], machine.said.append)
    assert machine.commands
    for command in machine.commands:
        assert command[:3] == ["apt-get", "-o", "DPkg::Lock::Timeout=600"]


@pytest.mark.parametrize(
    "error",
    [
        "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)",
        "E: Unable to lock directory /var/cache/apt/archives/",
        "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another",
    ],
)
def test_a_lock_that_apt_itself_does_not_wait_for_is_tried_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    monkeypatch.setattr(provision, "LOCK_POLL_S", 0)
    machine.answers = [(100, error), (100, error)]
    provision.install_packages(["something"], machine.said.append)
    assert len(machine.commands) == 4
    assert machine.said.count("waiting for another program to release apt's lock") == 1


def test_a_lock_that_is_never_released_is_an_error(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "LOCK_TIMEOUT_S", -1)
    machine.answers = [(100, "E: Could not get lock /var/lib/apt/lists/lock")]
    with pytest.raises(EngineUnavailableError, match="Could not get lock"):
        provision.install_packages(["something"], machine.said.append)


@pytest.mark.parametrize("trace", ["DOCKER_HOST", "DOCKER_CONTEXT", "config", "socket", "dockerd"])
def test_no_engine_is_installed_ahead_where_one_may_exist(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trace: str
) -> None:
    monkeypatch.setattr(provision, "DAEMON_SOCKET", tmp_path / "docker.sock")
    assert not provision.engine_may_exist()
    if trace.startswith("DOCKER"):
        monkeypatch.setenv(trace, "elsewhere")
    elif trace == "config":
        (tmp_path / ".docker").mkdir()
        settings = tmp_path / ".docker" / "config.json"
        settings.write_text('{"auths": {}}')
        assert not provision.engine_may_exist()
        settings.write_text('{"currentContext": "remote"}')
    elif trace == "socket":
        (tmp_path / "docker.sock").touch()
    else:
        machine.tools.add("dockerd")
    assert provision.engine_may_exist()
