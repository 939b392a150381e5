"""Whose a frame is, and how it is named: `shop/orders.py:12`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from runner.engine.pod import APPLICATION
from runner.measurement.why.seen import Frame, Stack

#: Where the image has the packages, and our program.
SITE, OURS = "/site/", "/server/monkey_matrix_server/"
#: Our own workloads stand for an application.
WORKLOADS = f"{OURS}workloads/"
#: Every request passes through here.
ENTRY = f"{OURS}recording.py"
#: What carries greenlets: that something waits there says nothing of what it waits for.
CARRIERS = (f"{SITE}gevent/", f"{SITE}greenlet/", f"{SITE}eventlet/")
#: Where the thread of an event loop is that waits for events.
GEVENT_LOOP, EVENTLET_LOOPS = f"{SITE}gevent/hub.py", f"{SITE}eventlet/hubs/"
#: Where gevent forks, and what runs before and after that.
FORKS = (f"{SITE}gevent/os.py", f"{SITE}gevent/threading.py")
#: The standard library's, which only wrap what the kernel or gevent has.
WRAPPERS = (
    "/threading.py", "/selectors.py", "/queue.py", "/socket.py", "/ssl.py", "/subprocess.py",
)  # fmt: skip


def is_application(frame: Frame) -> bool:
    """Whether it is the application's own code."""
    return frame.file.startswith((f"{APPLICATION}/", WORKLOADS))


def is_carrier(frame: Frame) -> bool:
    """Whether it is gevent's, or eventlet's."""
    return frame.file.startswith(CARRIERS)


def is_loop(frame: Frame) -> bool:
    """Whether an event loop waits for events there."""
    return frame.file == GEVENT_LOOP or frame.file.startswith(EVENTLET_LOOPS)


def is_library(frame: Frame) -> bool:
    """Whether it is that of an installed package other than those."""
    return frame.file.startswith(SITE) and not is_carrier(frame)


def is_wrapper(frame: Frame) -> bool:
    """Whether it only passes on what the kernel or an event loop does."""
    return is_carrier(frame) or (frame.file.endswith(WRAPPERS) and not _is_installed(frame))


def _is_installed(frame: Frame) -> bool:
    return is_application(frame) or frame.file.startswith(SITE)


def is_request(stack: Stack) -> bool:
    """Whether it is a request that is in the application."""
    return any(frame.file == ENTRY for frame in stack.frames)


def first(frames: Sequence[Frame], wanted: Callable[[Frame], bool]) -> Frame | None:
    """The innermost frame that is wanted."""
    return next((frame for frame in frames if wanted(frame)), None)


def inside(stack: Stack) -> Iterator[Frame]:
    """The frames of a request that are in the application or below it, the innermost first."""
    for frame in stack.frames:
        if frame.file == ENTRY:
            return
        yield frame


def text(frame: Frame) -> str:
    """A place as its author would name it."""
    for prefix in (f"{APPLICATION}/", WORKLOADS, SITE):
        if frame.file.startswith(prefix):
            return f"{frame.file.removeprefix(prefix)}:{frame.line}"
    path = _in_the_standard_library(frame) or frame.file.rpartition("/")[2]
    return f"{path}:{frame.line}"


def _in_the_standard_library(frame: Frame) -> str:
    """The path of a file below Python's own; nothing for others."""
    return frame.file.partition("/python3.")[2].partition("/")[2]


def module_of(frame: Frame) -> str:
    """The module that a file of the standard library or of a package is, as far as its path says.

    `concurrent.futures.thread`.
    """
    path = _in_the_standard_library(frame) or frame.file
    path = path.removeprefix(SITE).removeprefix(f"{APPLICATION}/")
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".").strip(".")
