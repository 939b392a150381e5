"""Which of a run's files are published, and how much of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.measurement.records import LaunchRecord
from runner.publish.source import PublishedRun
from runner.store.run_directory import RESULT

#: Of a launch with figures, and what is added where it has none.
ALWAYS: Final = ("ab.txt",)
OF_FAILURES: Final = ("stacks.txt", "sockets.txt", "server.log")
#: A longer file keeps its head and its tail, half of this each.
LONGEST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class LaunchFile:
    """A launch's file: its path in the publication, and as much of its content as is published."""

    path: str
    text: str

    @property
    def name(self) -> str:
        """The file's name alone."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class PublishedLaunch:
    """A launch, the directory of its files in the publication, and those files."""

    record: LaunchRecord
    path: str
    files: tuple[LaunchFile, ...]


def launches_of(run: PublishedRun, cell: str, prefix: str = "") -> tuple[PublishedLaunch, ...]:
    """A cell's launches with their files; `prefix` is where the run lies in the publication."""
    return tuple(
        PublishedLaunch(
            record=record,
            path=_place(record, prefix),
            files=tuple(
                _files(run.directory.launch_directory(cell, record.launch), record, prefix)
            ),
        )
        for record in run.launches.get(cell, ())
    )


def _place(record: LaunchRecord, prefix: str) -> str:
    return f"{prefix}cells/{record.cell}/launch-{record.launch:02d}"


def _files(directory: Path, record: LaunchRecord, prefix: str) -> Iterator[LaunchFile]:
    names = ALWAYS if record.outcome.has_figures else (*ALWAYS, *OF_FAILURES)
    for name in names:
        try:
            content = (directory / name).read_bytes()
        except FileNotFoundError:
            continue
        yield LaunchFile(path=f"{_place(record, prefix)}/{name}", text=shortened(content))


def shortened(content: bytes) -> str:
    """The text, with its middle left out where it is longer than `LONGEST_BYTES`."""
    if len(content) <= LONGEST_BYTES:
        return content.decode("utf-8", "replace")
    half = LONGEST_BYTES // 2
    head, tail = content[:half], content[-half:]
    left_out = f"\n[… {len(content) - 2 * half:,} bytes left out …]\n"
    return head.decode("utf-8", "ignore") + left_out + tail.decode("utf-8", "ignore")


def record_path(launch: PublishedLaunch) -> str:
    """Where the launch's record goes."""
    return f"{launch.path}/{RESULT}"
