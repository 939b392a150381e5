"""Workers that `--hosts` starts, with an `ssh` that runs them on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runner.commands.hosts.dask_extra import distributed
from runner.commands.hosts.pool import DaskPool
from runner.commands.hosts.ssh import SshHost, parse_hosts, started
from runner.errors import EngineUnavailableError, UsageError

ROOT = Path(__file__).parents[4]
#: Its tunnels are none: on one machine, the same address is the same port.
SSH = """\
#!/bin/sh
for last; do :; done
case "$*" in
    *unknown*) echo "ssh: Could not resolve hostname unknown" >&2; exit 255 ;;
    *bench2*) echo $$ >"$PIDS/bench2"; exec sleep 1000 ;;
    *) exec sh -c "exec $last" ;;
esac
"""
WORKER = """\
#!{python}
import os, sys
sys.path.insert(0, "{root}")
from pathlib import Path
from runner.commands.hosts.worker import serve
from tests.support.hosts import memory_post
Path(os.environ["PIDS"], "worker").write_text(str(os.getpid()))
serve(sys.argv[2], memory_post(Path("{spool}"), "a"), host=sys.argv[4], port=int(sys.argv[6]))
"""


def script(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands of the other host are, and this one's `ssh`."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'here'}:{os.environ['PATH']}")
    monkeypatch.setenv("PIDS", str(tmp_path))
    script(tmp_path / "here" / "ssh", SSH)
    text = WORKER.format(python=sys.executable, root=ROOT, spool=tmp_path / "spool")
    script(tmp_path / "there" / "matrix", text)
    script(tmp_path / "there" / "old", "#!/bin/sh\necho '│ No such command │\n╰──╯' >&2; exit 2")
    return tmp_path / "there"


def is_there(pid: Path) -> bool:
    """Whether the process runs that wrote its number there."""
    return pid.exists() and Path("/proc", pid.read_text().strip()).exists()


def test_workers_serve_as_long_as_the_block(commands: Path, tmp_path: Path) -> None:
    said: list[str] = []
    hosts = parse_hosts(f"ssh://bench1{commands}/matrix")
    with started(hosts, said.append) as scheduler, closing(DaskPool(scheduler)) as pool:
        assert len(pool.hosts()) == 1
        assert is_there(tmp_path / "worker")
    assert "workers: bench1" in said
    assert not is_there(tmp_path / "worker")


def test_a_run_does_not_fail_because_dask_cannot_end(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = distributed().LocalCluster.close

    def fail(cluster: Any) -> None:
        close(cluster)
        raise RuntimeError("Cannot change state of expiring Timeout")

    monkeypatch.setattr(distributed().LocalCluster, "close", fail)
    with started(parse_hosts(f"ssh://bench1{commands}/matrix"), lambda _: None):
        pass
    assert not is_there(tmp_path / "worker")


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (
            "unknown:22",
            r"unknown: `ssh` fails \(ssh: Could .* unknown\): .*`ssh -p 22 unknown true`",
        ),
        ("bench1/no/matrix", r"bench1: no `/no/matrix` there \(.*\): install .*ssh://HOST/PATH"),
        ("bench1{}/old", r"bench1: its worker ended with exit status 2 \(No such command\)$"),
    ],
)
def test_a_host_without_a_worker_is_named_and_the_others_end(
    commands: Path, tmp_path: Path, host: str, message: str
) -> None:
    hosts = parse_hosts(f"ssh://bench2,ssh://{host.format(commands)}")
    with (
        pytest.raises(EngineUnavailableError, match=message),
        started(hosts, lambda _: None),
    ):
        pass
    assert not is_there(tmp_path / "bench2")


def test_hosts_are_read_as_ssh_writes_them() -> None:
    assert parse_hosts("ssh://bench1,ssh://ci@bench2:2222/srv/matrix") == [
        SshHost(destination="bench1", port=None, command="matrix"),
        SshHost(destination="ci@bench2", port="2222", command="/srv/matrix"),
    ]
    assert parse_hosts("ssh://[::1],ssh://ci@[fe80::2%eth0]:2222/srv/matrix") == [
        SshHost(destination="::1", port=None, command="matrix"),
        SshHost(destination="ci@fe80::2%eth0", port="2222", command="/srv/matrix"),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "bench1", "ssh://", "ssh://" + "-oProxyCommand=x", "ssh://a,", "ssh://::1", "ssh://[-x]"],
)
def test_other_hosts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write ssh://HOST"):
        parse_hosts(text)
