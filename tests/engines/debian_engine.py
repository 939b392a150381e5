"""Engines of Debian's suites, each in a root file system and in namespaces of its own.

Nothing of the machine's own engine is touched: what is started here has its own network, processes
and mounts, which the kernel takes down with the first of those processes.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors
import requests

from runner.build.suites import MERGE_HOOK, MERGED_BY_HOOK, MOVING
from runner.engine.ownership import process_start

SOCKET = "/socket/engine.sock"
START_S = 60.0
STOP_S = 30.0
POLL_S = 0.2
#: What any of them needs besides its own packages.
PACKAGES = ("iproute2", "iptables", "mount", "nftables")
#: What is put before a command so that it, and all that it mounts, goes with the tests.
WITH_US = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount")
CGROUPS = Path("/sys/fs/cgroup")
#: Runs in the new namespaces: makes the directory their root, then becomes the engine.
ENTER = r"""
set -e
root=$1 state=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/etc/docker"
mount -t tmpfs tmpfs "$root/etc/docker" # has what an engine makes its id of
mount --bind "$state/data" "$root/data"
mount --bind "$state/socket" "$root/socket"
cd "$root"
pivot_root . mnt
umount -l /mnt
ip link set lo up
exec "$@"
"""
#: Put before an engine's command, which then is that of a user who is not root.
AS_USER = r"""
set -e
id user >/dev/null 2>&1 || useradd --home-dir /data user # with further ids for its containers
install --directory --owner=user /run/user
chown user /data /socket
exec setpriv --reuid=user --regid=user --clear-groups \
    env HOME=/data XDG_RUNTIME_DIR=/run/user "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An engine: the suite and the packages that it is of, and how it is started."""

    name: str
    suite: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    #: The directory of its containers' cgroups, empty where they have none of their own.
    cgroup: str
    #: Rootless engines keep no limits where the kernel has cgroup version 1.
    rootless: bool = False


def docker_of(suite: str, *options: str, name: str = "") -> Kind:
    """The suite's Docker."""
    name, cgroup = name or f"docker-{suite}", f"monkey-matrix-engine-{os.getpid()}"
    return Kind(
        name=name,
        suite=suite,
        packages=("docker.io",),
        command=(
            "dockerd", f"--host=unix://{SOCKET}", "--data-root=/data/docker",
            "--exec-root=/run/docker", "--pidfile=/run/docker.pid", f"--cgroup-parent=/{cgroup}",
            *options,
        ),
        cgroup=cgroup,
    )  # fmt: skip


def podman_of(suite: str) -> Kind:
    """The suite's Podman, with runc: crun wants a cgroup version 2."""
    return Kind(
        name=f"podman-{suite}",
        suite=suite,
        packages=("podman", "runc", "catatonit"),
        command=(
            "podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "--root=/data/storage",
            "--runroot=/run/containers", "system", "service", "--time=0", f"unix://{SOCKET}",
        ),
        cgroup="libpod_parent",
    )  # fmt: skip


def rootless_docker_of(suite: str) -> Kind:
    """The suite's Docker, of a user."""
    return _rootless(
        f"docker-{suite}-rootless",
        suite,
        ("docker.io", "rootlesskit", "slirp4netns"),
        ("/usr/share/docker.io/contrib/dockerd-rootless.sh", f"--host=unix://{SOCKET}"),
    )


def rootless_podman_of(suite: str) -> Kind:
    """The suite's Podman, of a user, with the store that Debian 12's would not choose by itself."""
    return _rootless(
        f"podman-{suite}-rootless",
        suite,
        ("podman", "runc", "catatonit"),
        (
            "podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "--storage-driver=overlay",
            "system", "service", "--time=0", f"unix://{SOCKET}",
        ),
    )  # fmt: skip


def _rootless(name: str, suite: str, packages: tuple[str, ...], command: tuple[str, ...]) -> Kind:
    return Kind(
        name=name,
        suite=suite,
        packages=(*packages, "uidmap"),
        command=("sh", "-c", AS_USER, "sh", *command),
        cgroup="",
        rootless=True,
    )


#: Docker 20.10, 26.1 and the newest that Debian has, with both of its stores; Podman 4.3 and 5.4;
#: and those of a user.
KINDS = (
    docker_of("bookworm"),
    docker_of("trixie"),
    docker_of("forky"),
    docker_of("forky", "--feature=containerd-snapshotter", name="docker-forky-containerd"),
    podman_of("bookworm"),
    podman_of("trixie"),
    rootless_docker_of("bookworm"),
    rootless_docker_of("trixie"),
    rootless_podman_of("bookworm"),
    rootless_podman_of("trixie"),
)


@contextlib.contextmanager
def running(kind: Kind, directory: Path, root: Path | None = None) -> Iterator[str]:
    """The engine, started; its address. Everything of it is gone afterwards.

    But a root file system that is given, which is made first if it is not there: several engines
    of a kind may share it, for what they write has mounts of its own.
    """
    root, state = root or directory / "root", directory / "state"
    try:
        if not root.exists():
            _bootstrap(kind, root)
        for path in (state / "data", state / "socket", root / "data", root / "socket"):
            path.mkdir(parents=True, exist_ok=True)
        with _started(kind, root, state) as socket:
            yield f"unix://{socket}"
    finally:
        if kind.cgroup:
            remove_cgroups(kind.cgroup)
        shutil.rmtree(directory)


def _bootstrap(kind: Kind, root: Path) -> None:
    command = [*WITH_US, "mmdebstrap", "--variant=essential", "--format=directory"]
    command += [f"--include={','.join((*PACKAGES, *kind.packages))}"]
    command += ['--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io"]
    if kind.suite in MOVING:
        command += ['--aptopt=Acquire::Check-Valid-Until "false"']
    if kind.suite in MERGED_BY_HOOK and MERGE_HOOK.is_dir():
        command += [f"--hook-dir={MERGE_HOOK}"]
    done = subprocess.run(
        [*command, kind.suite, str(root)], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr[-2000:]


@contextlib.contextmanager
def _started(kind: Kind, root: Path, state: Path) -> Iterator[Path]:
    """The socket of the engine, as soon as it answers there."""
    command = [*WITH_US, "--net", "--pid", "--fork", "--kill-child"]
    command = [*command, "sh", "-c", ENTER, "sh", str(root), str(state), *kind.command]
    log, socket = state / "log", state / "socket" / "engine.sock"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + START_S
        while not _answers(socket):
            said = log.read_text(errors="replace")[-2000:]
            assert process.poll() is None, f"{shlex.join(kind.command)} ended: {said}"
            assert time.monotonic() < deadline, f"{kind.name} does not answer: {said}"
            time.sleep(POLL_S)
        yield socket
    finally:
        _stop(process)


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    client = docker.DockerClient(base_url=f"unix://{socket}", version="1.41", timeout=5)
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, requests.RequestException):
        return False
    finally:
        client.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the engine, and if it does not, kill it; with it go all that it started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    pids = map(int, children.read_text().split() if children.exists() else [])
    engine = {pid: process_start(pid) for pid in pids}
    for pid in engine:
        os.kill(pid, signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Mounts go with the last process of their namespace; its number may be taken again.
    for pid, started in engine.items():
        while started and process_start(pid) == started:
            time.sleep(POLL_S)


def remove_cgroups(name: str) -> None:
    """Remove what is empty of the directories, from the innermost on."""
    for top in [*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}")]:
        for directory in sorted([top, *filter(Path.is_dir, top.rglob("*"))], reverse=True):
            with contextlib.suppress(OSError):
                directory.rmdir()
