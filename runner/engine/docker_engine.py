"""The `Engine` on a real Docker engine, through docker-py."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import time
from typing import IO, TYPE_CHECKING, Any

import docker
import docker.errors
import requests
from docker.credentials.errors import StoreError
from docker.errors import DockerException
from docker.types import LogConfig

from runner.engine.exec_stream import AttachedProcess, read_exec
from runner.engine.ownership import PROJECT_LABEL
from runner.engine.protocol import (
    DOCKER,
    ROOTLESS,
    ContainerSpec,
    ContainerState,
    EngineImage,
    EngineInfo,
    ExecResult,
    OwnedContainer,
)
from runner.errors import EngineError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: What Podman says of a container that ends by itself while it is killed to be removed.
ENDED_MEANWHILE = "container state improper"
REMOVALS, REMOVAL_PAUSE_S = 5, 0.2
IMPORT_CHUNK_BYTES = 1 << 20
#: Of /dev/shm where a pod shares it, in bytes: a million requests of a process take 32 MiB.
SHARED_MEMORY = 256 << 20
#: Bounded, for a container may print without end.
LOG = LogConfig(type="json-file", config={"max-size": "8m", "max-file": "2"})
#: What a process that is talked to says is an answer, and read as such: up to megabytes of a load.
NO_LOG = LogConfig(type="none")


def _product(version: Mapping[str, Any]) -> str:
    """Whose engine it is, from what it says of its parts."""
    parts = [str(part.get("Name", "")) for part in version.get("Components") or ()]
    return "Podman" if any(part.startswith("Podman") for part in parts) else DOCKER


@contextlib.contextmanager
def _engine_errors(doing: str) -> Iterator[None]:
    """Turn whatever docker-py and requests raise into `EngineError`, saying what was being done."""
    try:
        yield
    except docker.errors.NotFound as error:
        raise NotFoundError(f"{doing}: {error.explanation or error}") from error
    except docker.errors.APIError as error:
        raise EngineError(f"{doing}: {error.explanation or error}") from error
    except (DockerException, StoreError, requests.RequestException, OSError) as error:
        raise EngineError(f"{doing}: {error}") from error


@contextlib.contextmanager
def _answer(doing: str) -> Iterator[None]:
    """The same for reading an answer: what gave it may be no engine."""
    with _engine_errors(doing):
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise EngineError(f"{doing}: no engine answers like that ({error!r})") from error


class DockerEngine:
    """A Docker engine, which docker-py talks to."""

    def __init__(self, client: docker.DockerClient, endpoint: str = "") -> None:
        self._client = client
        self._api = client.api
        self._endpoint = endpoint

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # -- the engine --------------------------------------------------------------------------------

    def info(self) -> EngineInfo:
        """Describe the engine."""
        with _answer("asking the engine about itself"):
            info, version = self._api.info(), self._api.version()
            product, security = _product(version), info.get("SecurityOptions") or ()
            if info.get("Rootless") and ROOTLESS not in security:
                security = (*security, ROOTLESS)  # Podman 4.3 leaves it out there
            return EngineInfo(
                endpoint=self._endpoint,
                product=product,
                version=version["Version"],
                api_version=version["ApiVersion"],
                operating_system=info["OperatingSystem"],
                kernel=info["KernelVersion"],
                architecture=info["Architecture"],
                cpus=info["NCPU"],
                memory_bytes=info["MemTotal"],
                cgroup_version=info.get("CgroupVersion", "1"),
                storage_driver=info["Driver"],
                security=tuple(security),
                # Podman makes up another one for each answer.
                engine_id=info.get("ID") if product == DOCKER else None,
            )

    # -- images ------------------------------------------------------------------------------------

    def image(self, reference: str) -> EngineImage | None:
        """The image of that name or id, None if the engine has none."""
        try:
            with _engine_errors(f"looking up image {reference}"):
                found = self._api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except NotFoundError:
            return None
        return EngineImage(
            id=found["Id"],
            layers=tuple((found.get("RootFS") or {}).get("Layers") or ()),
            config=found.get("Config") or {},
            architecture=found.get("Architecture", ""),
            created=found.get("Created") or "",
            digests=tuple(found.get("RepoDigests") or ()),
        )

    def pull(self, reference: str) -> str:
        """Pull an image and return its id."""
        with _engine_errors(f"pulling {reference}"):
            return str(self._client.images.pull(reference).id)

    def is_served(self, reference: str) -> bool:
        """Whether a registry has an image of that name; none is pulled. Podman cannot tell."""
        try:
            with _engine_errors(f"asking for {reference}"):
                self._api.inspect_distribution(reference)  # type: ignore[no-untyped-call]
        except EngineError:
            return False
        return True

    def import_image(self, archive: IO[bytes], reference: str, labels: Mapping[str, str]) -> str:
        """Make an image of a root file system in a tar archive; return its id."""
        changes = [f"LABEL {name}={json.dumps(value)}" for name, value in labels.items()]
        with _engine_errors(f"importing {reference}"):
            # docker-py announces a chunked body, which requests sends only for an iterator.
            chunks = iter(lambda: archive.read(IMPORT_CHUNK_BYTES), b"")
            answer = self._api.import_image_from_stream(
                # Podman before 4.4 overlooks a tag that is not part of the name.
                chunks,
                repository=reference,
                changes=changes,
            )
        last = json.loads(str(answer).strip().splitlines()[-1])
        if "error" in last:
            raise EngineError(f"importing {reference}: {last['error']}")
        found = self.image(reference)
        if found is None:
            raise EngineError(f"{reference} is missing after it was imported")
        return found.id

    def build(
        self,
        context: Iterator[bytes],
        reference: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        *,
        offline: bool = False,
    ) -> str:
        """Build a tar archive with a Dockerfile in it; the error carries the build's log."""
        with _engine_errors(f"building {reference}"):
            log = [
                str(step.get("stream") or step.get("error") or "")
                for step in self._api.build(
                    fileobj=context,  # type: ignore[arg-type]  # sent in chunks
                    custom_context=True,
                    tag=reference,
                    labels=dict(labels),
                    buildargs=dict(arguments),
                    network_mode="none" if offline else None,
                    rm=True,
                    forcerm=True,
                    decode=True,
                )
            ]
        built = self.image(reference)
        if built is None or not any("Successfully built" in line for line in log):
            raise EngineError("".join(log).strip() or f"building {reference} failed without output")
        return built.id

    def load(self, archive: Iterator[bytes]) -> None:
        """Take in the images of an archive; the engine reports a failure in its answer."""
        with _engine_errors("loading images"):
            for step in self._api.load_image(archive) or ():  # type: ignore[no-untyped-call]
                if "error" in step:
                    raise EngineError(f"loading images: {str(step['error']).strip()}")

    def images(self) -> list[tuple[str, tuple[str, ...]]]:
        """(id, names) of each image that carries this project's label."""
        with _answer("listing images"):
            return [
                # Older engines give an image without a name this one.
                (image["Id"], tuple(n for n in image.get("RepoTags") or () if n != "<none>:<none>"))
                for image in self._api.images(filters={"label": PROJECT_LABEL})
            ]

    def remove_image(self, reference: str) -> None:
        """Remove an image or one of its names; one that is not there is removed."""
        with contextlib.suppress(NotFoundError), _engine_errors(f"removing image {reference}"):
            self._api.remove_image(reference, force=False)

    # -- containers --------------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        """Create a hardened container and return its id."""
        with _engine_errors(f"creating container {spec.name}"):
            created = self._api.create_container(
                spec.image,
                command=list(spec.command) or None,
                entrypoint=list(spec.entrypoint) or None,
                name=spec.name,
                hostname=spec.hosts[0] if spec.hosts else None,
                user=spec.user,
                environment=dict(spec.environment),
                volumes=list(spec.volumes),
                stdin_open=spec.stdin,
                use_config_proxy=False,  # a cell has the variables that its image says, no others
                network_disabled=spec.joins is None and not spec.host_names,
                labels={**spec.labels, PROJECT_LABEL: "1"},
                host_config=self._host_config(spec),
            )
        return str(created["Id"])

    def _host_config(self, spec: ContainerSpec) -> dict[str, Any]:
        """No network of its own, no capability, nothing writable but tmpfs, bounded.

        The container that owns the pod's namespaces has an init process, which reaps for all.
        """
        shared = f"container:{spec.joins}" if spec.joins else None
        config: dict[str, Any] = self._api.create_host_config(
            network_mode=shared or "none",
            pid_mode=shared,
            ipc_mode=(shared or "shareable") if spec.shares_memory else None,
            shm_size=SHARED_MEMORY if spec.shares_memory and not shared else None,
            init=spec.joins is None,
            extra_hosts=dict.fromkeys(spec.hosts, "127.0.0.1") or None,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            tmpfs=dict(spec.tmpfs),
            mem_limit=spec.memory_bytes or None,
            memswap_limit=spec.memory_bytes or None,
            pids_limit=spec.pids or None,
            log_config=NO_LOG if spec.stdin else LOG,
        )
        return config

    def put(
        self,
        container: str,
        directory: str,
        files: Mapping[str, tuple[bytes, int]],
        *,
        owner: tuple[int, int],
    ) -> None:
        """Put files into a directory of a created container: by name, their content and mode."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, (content, mode) in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode, (info.uid, info.gid) = len(content), mode, owner
                tar.addfile(info, io.BytesIO(content))
        with _engine_errors(f"putting files into container {container[:12]}"):
            self._api.put_archive(container, directory, packed.getvalue())

    def start(self, container: str) -> None:
        """Start a created container."""
        with _engine_errors(f"starting container {container[:12]}"):
            self._api.start(container)

    def state(self, container: str) -> ContainerState:
        """The state of the container; an error if it is being removed."""
        with _engine_errors(f"inspecting container {container[:12]}"):
            inspected = self._api.inspect_container(container)
        state = inspected["State"]
        if state.get("Status") in {"removing", "dead"}:
            raise EngineError(f"container {container[:12]} is being removed")
        return ContainerState(
            running=bool(state["Running"]),
            exit_code=int(state["ExitCode"]),
            oom_killed=bool(state["OOMKilled"]),
            error=str(state.get("Error") or ""),
        )

    def exec(
        self, container: str, command: Iterable[str], *, timeout: float, user: str = ""
    ) -> ExecResult:
        """Run a command in a running container and wait for it, at most `timeout` seconds."""
        with _engine_errors(f"running a command in container {container[:12]}"):
            created = self._api.exec_create(container, list(command), user=user)["Id"]
            stream = self._api.exec_start(created, socket=True)
            finished, stdout, stderr = read_exec(stream, timeout)
            # The stream of a socket has no exit status: that is a call of its own.
            code = self._api.exec_inspect(created)["ExitCode"] if finished else None
        return ExecResult(exit_code=code, stdout=stdout, stderr=stderr)

    def attach(self, container: str) -> AttachedProcess:
        """Talk to the first process of a running container that was created with `stdin`."""
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with _engine_errors(f"attaching to container {container[:12]}"):
            return AttachedProcess(self._api.attach_socket(container, streams))

    def throttled_s(self, container: str) -> float | None:
        """Seconds a CPU quota held the container back, 0 if it has no quota of its own.

        The kernel holds back, and counts, only the group that the quota was given to. Without one
        there is no need to ask for statistics, which Docker 20.10 leaves empty for a container that
        has joined a network without `host_names`.
        """
        with _engine_errors(f"asking for the statistics of container {container[:12]}"):
            config = self._api.inspect_container(container)["HostConfig"]
            if not (config.get("CpuQuota") or config.get("NanoCpus")):
                return 0.0
            found = self._api.stats(container, stream=False, one_shot=True).get("cpu_stats", {})
        if not found.get("cpu_usage", {}).get("total_usage"):
            return None
        nanoseconds = found.get("throttling_data", {}).get("throttled_time")
        return None if nanoseconds is None else nanoseconds / 1e9

    def logs(self, container: str) -> str:
        """All that the container printed so far, both streams; never follows."""
        with _engine_errors(f"reading the log of container {container[:12]}"):
            return bytes(self._api.logs(container, follow=False)).decode("utf-8", "replace")

    def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal to the container's first process; one that is not running is no error."""
        try:
            with _engine_errors(f"signalling container {container[:12]}"):
                self._api.kill(container, signal)
        except EngineError as error:
            if "is not running" not in str(error):
                raise

    def remove(self, container: str) -> None:
        """Remove a container, running or not; one that is already removed is no error."""
        for attempt in range(1, REMOVALS + 1):
            try:
                with _engine_errors(f"removing container {container[:12]}"):
                    self._api.remove_container(container, force=True, v=True)
            except NotFoundError:
                return
            except EngineError as error:
                if "already in progress" in str(error):
                    return
                if attempt == REMOVALS or ENDED_MEANWHILE not in str(error):
                    raise
                time.sleep(REMOVAL_PAUSE_S)
            else:
                return

    def owned(self) -> list[OwnedContainer]:
        """Every container that carries this project's label, running or not."""
        with _answer("listing containers"):
            return [
                OwnedContainer(
                    id=c["Id"], name=c["Names"][0].lstrip("/"), labels=c.get("Labels") or {}
                )
                for c in self._api.containers(all=True, filters={"label": PROJECT_LABEL})
            ]
