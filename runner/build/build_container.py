"""A container in which a wheel is built: of the cell's base image, without network.

What is built is a stranger's code. Nothing of it runs on this machine: it is sent to the container
as it was fetched, and the wheel that comes back is only unpacked.
"""

from __future__ import annotations

import base64
import contextlib
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from runner.build.bases import BaseImage
from runner.engine.ownership import owner_labels
from runner.engine.pod import SERVER_USER
from runner.engine.protocol import Attached, ContainerSpec, Engine
from runner.errors import EngineError, EngineUnavailableError
from runner.paths import IMAGES

PROGRAM: Final = (IMAGES / "base" / "wheel.py").read_text(encoding="utf-8")
#: The same source gives the same wheel: times in it, and the order of sets.
ENVIRONMENT: Final = {
    "SOURCE_DATE_EPOCH": "315532800",  # 1980, before which a wheel cannot have a time
    "PYTHONHASHSEED": "0",
    "LANG": "C.UTF-8",
}
#: A compiler of C++ takes a gigabyte, and the sources are in memory too.
MEMORY_BYTES: Final = 4 << 30
DISK: Final = "rw,exec,nosuid,nodev,size=3g,mode=1777"
PIDS: Final = 512
STEP_S: Final = 120.0
BUILD_S: Final = 1800.0
CHUNK_BYTES: Final = 1 << 20
MOST_BYTES: Final = 1 << 30


class BuildError(Exception):
    """A build failed by itself; `printed` is the end of what it printed."""

    def __init__(self, printed: str) -> None:
        super().__init__(printed)
        self.printed = printed


@dataclass(frozen=True, kw_only=True)
class Backend:
    """How a project is built, as its pyproject.toml states it; `subdirectory` is where it is."""

    backend: str
    backend_path: tuple[str, ...] = ()
    subdirectory: str = ""


class Builder:
    """The program in the container, which does one step after the other."""

    def __init__(self, process: Attached) -> None:
        self._process = process
        self._sent = 0

    def send(self, archives: Iterable[Path], kind: str) -> None:
        """Send archives and unpack them: `tools`, `packages`, or the `source`."""
        for archive in archives:
            self._sent += 1
            name = f"sent-{self._sent}"
            with archive.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    self._ask("write", name=name, data=base64.b64encode(chunk).decode())
            self._ask("unpack", name=name, kind=kind)

    def requires(self, backend: Backend) -> list[str]:
        """What the build requires besides what its project states; may raise `BuildError`."""
        found = self._ask("requires", build=asdict(backend)).get("requires")
        return [str(one) for one in found] if isinstance(found, list) else []

    def wheel(self, backend: Backend, directory: Path) -> Path:
        """Build the wheel and fetch it into a directory; `BuildError` if that fails."""
        built = self._ask("wheel", timeout=BUILD_S, build=asdict(backend))
        target = directory / Path(str(built.get("wheel"))).name
        with target.open("wb") as file:
            while piece := self._piece(target.name, file.tell()):
                file.write(piece)
                if file.tell() > MOST_BYTES:
                    raise BuildError(f"the wheel has more than {MOST_BYTES >> 20} MiB")
        return target

    def _piece(self, name: str, start: int) -> bytes:
        return base64.b64decode(str(self._ask("read", name=name, start=start).get("data")))

    def _ask(self, step: str, *, timeout: float = STEP_S, **arguments: object) -> dict[str, Any]:
        """What the program answers; what is built could answer in its place, and lie."""
        try:
            answered = self._process.ask(json.dumps([step, arguments]), timeout=timeout)
        except EngineError as error:
            raise EngineError(f"the container in which it is built: {error}") from error
        try:
            answer = json.loads(answered)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise BuildError("what was built interfered with its build")
        if "failed" in answer:
            raise BuildError(str(answer.get("printed")))
        return answer


@contextlib.contextmanager
def builder(engine: Engine, base: BaseImage, tools: Sequence[Path]) -> Iterator[Builder]:
    """The program in a container, for as long as the block lasts."""
    token = uuid.uuid4().hex[:12]
    spec = ContainerSpec(
        name=f"monkey-matrix-{token}-wheel",
        image=base.image_id,
        user=SERVER_USER,
        command=("python3", "-S", "-E", "-W", "ignore", "-c", PROGRAM),
        environment=ENVIRONMENT,
        labels=owner_labels("wheel", base.reference, token),
        memory_bytes=_memory(engine),
        pids=PIDS,
        tmpfs={"/build": DISK, "/tmp": DISK},  # noqa: S108 - inside the container
        stdin=True,
        host_names=False,
    )
    with _of_the_engine():
        container = engine.create(spec)
    try:
        with _of_the_engine():
            engine.start(container)
            process = engine.attach(container)
        with contextlib.closing(process):
            made = Builder(process)
            made.send(tools, "tools")
            yield made
    finally:
        engine.remove(container)


@contextlib.contextmanager
def _of_the_engine() -> Iterator[None]:
    """An engine that starts no container is not the fault of what is built."""
    try:
        yield
    except EngineError as error:
        raise EngineUnavailableError(
            f"wheels cannot be built, for the engine starts no container ({error}): see to that, "
            "then run the same command again"
        ) from error


def _memory(engine: Engine) -> int:
    """In bytes; a machine with little gives three quarters."""
    whole = engine.info().memory_bytes
    return min(MEMORY_BYTES, whole * 3 // 4) if whole else MEMORY_BYTES
