"""What was seen of a server's processes: as its `stacks.py` writes it down."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from runner.measurement.bounded import Bounded


class _Part(Bounded):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Frame(_Part):
    """One frame of a stack."""

    file: str
    line: int | None
    function: str


class Called(_Part):
    """An object that a line of code names: its type, and the module of what is called."""

    name: str
    type: str
    module: str


class Stack(_Part):
    """So many threads or greenlets at the same place, the innermost frame first.

    `syscall` is the number of the kernel's call that the thread waits in, None where that is not
    known; `sockets` are the remote ends (`127.0.0.1:7803`) that it waits for.
    """

    number: int
    main: bool = False
    frames: tuple[Frame, ...] = ()
    calls: tuple[Called, ...] = ()
    syscall: int | Literal["running"] | None = None
    sockets: tuple[str, ...] = ()


class Lock(_Part):
    """A native lock that was made before the patch, and who imported its module first.

    An RLock is held so many `times` over.
    """

    module: str
    name: str
    kind: Literal["Lock", "RLock", "SimpleQueue", "local"]
    held: bool | None
    times: int = 0
    importer: str | None


class Name(_Part):
    """A name of a module that still has the unpatched `original`, `time.sleep`."""

    module: str
    name: str
    original: str


class Scan(_Part):
    """What was bound before the patch, and the (name, version) that files and modules are of.

    `unread` are remote ends of connections whose replies nobody took, where a library holds those;
    `channels` are names of gRPC's, empty for one that no module has.
    """

    names: tuple[Name, ...] = ()
    locks: tuple[Lock, ...] = ()
    channels: tuple[str, ...] = ()
    distributions: dict[str, tuple[str, str]] = Field(default_factory=dict)
    unread: tuple[str, ...] = ()


class Look(_Part):
    """One look at one process. Times of `CLOCK_MONOTONIC` and of a CPU in ns.

    For how long the main thread ran so far, and how long it waited for a CPU.
    """

    taken_ns: int
    pid: int
    machine: str = "x86_64"
    cpu_ns: int
    main_ran_ns: int | None = None
    main_delayed_ns: int | None = None
    threads: tuple[Stack, ...] = ()
    greenlets: tuple[Stack, ...] | None = None
    scan: Scan | None = None
    error: str | None = None


class Seen(_Part):
    """The looks that were taken, of `asked`; `silent` are processes that took none.

    A process cannot take any while compiled code has its interpreter.
    """

    asked: int = 0
    looks: tuple[Look, ...] = ()
    silent: tuple[int, ...] = ()
