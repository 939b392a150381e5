"""Distributions: unpacked once each, without a trace of the host that did it."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from runner.build import wheels
from runner.build.lock import Lock
from runner.build.wheels import Wheel, archived, pack, pack_all, wheels_of
from runner.errors import EngineError, IndexUnavailableError
from runner.matrix.cell import EnvironmentRequest
from runner.resolver import Built

LOCKED = "flask==3.1.2 \\\n    --hash=sha256:00\nMarkupSafe==3.0.3 \\\n    --hash=sha256:11\n"
PLATFORM = "x86_64-manylinux_2_28"


def lock_of(text: str = LOCKED, python: str = "3.11", platform: str = PLATFORM) -> Lock:
    request = EnvironmentRequest(python=python, requirements=())
    return Lock(request=request, platform=platform, text=text)


class Uv:
    """Stands in for uv: installs a module, notes what, and may have nothing at hand."""

    def __init__(self, *, stderr: str = "", offline: bool = True) -> None:
        self.stderr, self.offline = stderr, offline
        self.installed: list[str] = []

    def __call__(self, command: list[str], text: str) -> subprocess.CompletedProcess[str]:
        if "--offline" in command and not self.offline:
            raise IndexUnavailableError("network connectivity is disabled")
        self.installed.append(text)
        if self.stderr:
            return subprocess.CompletedProcess(command, 1, "", self.stderr)
        target = Path(command[command.index("--target") + 1])
        target.mkdir()
        (target / "module.py").write_text(text)
        return subprocess.CompletedProcess(command, 0, "", "")


def put(monkeypatch: pytest.MonkeyPatch, uv: Uv) -> Uv:
    monkeypatch.setattr(wheels, "run_uv", uv)
    return uv


def test_a_lock_is_its_distributions_by_name() -> None:
    found = wheels_of(lock_of())
    assert [(w.pinned.name, w.pinned.version) for w in found] == [
        ("flask", "3.1.2"),
        ("markupsafe", "3.0.3"),
    ]
    assert "".join(wheel.pinned.text for wheel in found) == LOCKED


def test_another_python_platform_or_hash_is_another_archive() -> None:
    locks = [
        lock_of(),
        lock_of(python="3.13"),
        lock_of(platform="aarch64-manylinux_2_28"),
        lock_of(LOCKED.replace("00", "01")),
    ]
    assert len({wheels_of(lock)[0].file_name for lock in locks}) == len(locks)


def test_another_way_of_packing_is_another_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    before = wheels_of(lock_of())[0].file_name
    monkeypatch.setattr(wheels, "FORMAT", "another")
    assert wheels_of(lock_of())[0].file_name != before


def test_what_was_built_is_one_of_the_distributions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = Built(name="debts", version="0.5", origin="x", digest="d1", wheel=tmp_path / "d.whl")
    lock = replace(lock_of(), built=(built,))
    assert lock.versions == {"flask": "3.1.2", "markupsafe": "3.0.3", "debts": "0.5"}
    found = wheels_of(lock)
    assert [w.pinned.name for w in found] == ["debts", "flask", "markupsafe"]
    commands: list[list[str]] = []

    def uv(command: list[str], text: str) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        Path(command[command.index("--target") + 1]).mkdir()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(wheels, "run_uv", uv)
    pack(found[0], tmp_path)
    assert commands[0][-2:] == ["--offline", str(tmp_path / "d.whl")]
    assert "--no-deps" in commands[0]


def test_what_was_built_decides_on_the_lock_and_is_told_in_it(tmp_path: Path) -> None:
    one = Built(name="debts", version="0.5", origin="sdist x", digest="d1", wheel=tmp_path / "a")
    lock, other = (replace(lock_of(), built=(replace(one, digest=d),)) for d in ("d1", "d2"))
    elsewhere = replace(lock, built=(replace(one, wheel=tmp_path / "b"),))
    assert len({lock_of().digest, lock.digest, other.digest}) == 3
    assert (elsewhere, elsewhere.digest) == (lock, lock.digest)
    assert lock.text == lock_of().text
    assert lock.shown == LOCKED + "# debts==0.5, built from sdist x\n"


def test_a_distribution_of_several_environments_is_unpacked_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uv = put(monkeypatch, Uv())
    wanted = [*wheels_of(lock_of()), *wheels_of(lock_of(LOCKED + "click==8.0 \\\n --hash=x\n"))]
    packed = pack_all(wanted, tmp_path)
    assert len(uv.installed) == len(packed) == 3
    assert pack_all(wanted, tmp_path) == packed
    assert len(uv.installed) == 3


@pytest.mark.parametrize("offline", [True, False])
def test_the_index_is_asked_only_for_what_is_not_at_hand(
    offline: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uv = put(monkeypatch, Uv(offline=offline))
    wheel = wheels_of(lock_of())[0]
    archive = pack(wheel, tmp_path)
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["site/module.py"]
    assert uv.installed == [wheel.pinned.text]


def test_one_that_cannot_be_installed_stops_nobody_else_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(monkeypatch, Uv(stderr="error: no space left on https://localhost/simple\n"))
    found = pack_all(wheels_of(lock_of()), tmp_path)
    assert [str(error) for error in found.values()] == [
        f"{name} could not be installed: error: no space left on an address"
        for name in ("flask 3.1.2", "markupsafe 3.0.3")
    ]
    assert all(isinstance(error, EngineError) for error in found.values())
    assert list((tmp_path / "wheels").iterdir()) == []


def test_an_index_out_of_reach_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable(*_: object) -> subprocess.CompletedProcess[str]:
        raise IndexUnavailableError("the package index cannot be reached")

    monkeypatch.setattr(wheels, "run_uv", unreachable)
    with pytest.raises(IndexUnavailableError):
        pack_all(wheels_of(lock_of()), tmp_path)


def test_nothing_that_names_the_host_is_packed(tmp_path: Path) -> None:
    files = {
        "bin/flask": "#!/home/somebody/python\nimport flask\n",
        ".lock": "",
        "flask/cli.py": "",
        "flask/bin/tool": "",
        "flask-1.dist-info/direct_url.json": "{}",
        "flask-1.dist-info/uv_cache.json": "{}",
        "flask-1.dist-info/REQUESTED": "",
        "flask-1.dist-info/RECORD": (
            "bin/flask,sha256=of-the-host,1\nflask/cli.py,,\nflask/bin/tool,,\n"
            "flask-1.dist-info/REQUESTED,,\nflask-1.dist-info/RECORD,,\n"
        ),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    for program in ("flask/bin/tool", "bin/flask"):
        (tmp_path / program).chmod(0o700)
    with tarfile.open(fileobj=io.BytesIO(b"".join(archived(tmp_path)))) as tar:
        modes = {member.name: member.mode for member in tar}
        record = tar.extractfile("site/flask-1.dist-info/RECORD")
        assert record is not None
        script = tar.extractfile("site/bin/flask")
        assert script is not None
        written = script.read()
        assert written == b"#!/usr/bin/env python3\nimport flask\n"
        sha256 = base64.urlsafe_b64encode(hashlib.sha256(written).digest()).decode().rstrip("=")
        assert record.read().decode() == (
            f"bin/flask,sha256={sha256},{len(written)}\n"
            "flask/cli.py,,\nflask/bin/tool,,\nflask-1.dist-info/RECORD,,\n"
        )
    assert modes == {
        "site/bin/flask": 0o755,
        "site/flask-1.dist-info/RECORD": 0o644,
        "site/flask/bin/tool": 0o755,
        "site/flask/cli.py": 0o644,
    }


def test_files_are_packed_in_one_order_whatever_that_of_the_file_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("b.py", "a.py", "c.py"):
        (tmp_path / name).write_text("")
    for order in (["c.py", "a.py", "b.py"], ["b.py", "a.py", "c.py"]):
        monkeypatch.setattr("runner.build.wheels.os.walk", lambda _, x=order: [(tmp_path, [], x)])
        with tarfile.open(fileobj=io.BytesIO(b"".join(archived(tmp_path)))) as tar:
            assert tar.getnames() == ["site/a.py", "site/b.py", "site/c.py"]


def test_a_wheel_is_named_as_one_can_read(tmp_path: Path) -> None:
    wheel: Wheel = wheels_of(lock_of())[0]
    assert wheel.file_name.startswith("flask-3.1.2-")
