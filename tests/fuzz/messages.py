"""What a client and its workers tell each other, and the rounds that both keep, damaged."""

from __future__ import annotations

import io
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from runner.commands.hosts.book import ROUNDS, Book, earlier_rounds
from runner.commands.hosts.pool import Ended
from runner.commands.hosts.run import greeted, handed_out
from runner.errors import MatrixError
from runner.progress import PlainReporter
from runner.report.run import read_run
from runner.store.run_directory import RESULT, RunDirectory
from tests.fuzz import mutate
from tests.fuzz.target import Target
from tests.support.hosts import MemoryPool, cells_of, memory_post, passed, shards_of

HOSTS = ("a", "b")
CELLS, LAUNCHES = 2, 1
#: The messages of an undisturbed run: what is asked, what is answered, what is told besides.
MOST_MESSAGES = 12
#: Of the inputs, in how many a worker's files are damaged, and in how many the client's; in the
#: others it is a message.
WORKERS_FILES, CLIENTS_FILES = 0.2, 0.2


class KilledError(BaseException):
    """The client's end, at once."""


@dataclass
class DamagedPool(MemoryPool):
    """Of all messages one is changed, by its number. What a worker raises is told to the client."""

    damage: Callable[[Any], Any] = lambda message: message
    number: int = -1
    messages: int = 0
    killed_after: int | None = None

    def _way(self, message: Any) -> Any:
        self.messages += 1
        return passed(self.damage(message) if self.messages == self.number else message)

    def next_ended(self, seconds: float) -> Ended | None:
        if not self.asked:
            return None
        host, name, args = self.asked.popleft()
        try:
            given = [self._way(one) for one in args]
            result = self._way(getattr(self.posts[host], name)(*given))
        except Exception as error:  # noqa: BLE001 - as Dask does
            return Ended(host=host, error=error)
        self.rounds += name == "make_round"
        if self.rounds == self.killed_after:
            raise KilledError
        return Ended(host=host, result=result)

    def tell(self, host: str, function: Callable[..., object], *args: Any) -> None:
        try:
            getattr(self.posts[host], function.__name__)(*(self._way(one) for one in args))
        except Exception:  # noqa: BLE001 - as Dask does where errors are ignored
            return


@dataclass
class Hosts:
    """Two hosts, and runs on them."""

    directory: Path
    said: io.StringIO = field(default_factory=io.StringIO)

    @property
    def results(self) -> Path:
        return self.directory / "results"

    def pool(self, **options: Any) -> DamagedPool:
        posts = {f"tcp://{key}": memory_post(self.directory / key, key) for key in HOSTS}
        return DamagedPool(posts, **options)

    def run(self, pool: DamagedPool) -> RunDirectory:
        cells = cells_of(CELLS)
        directory = RunDirectory.create(self.results, "sample", datetime.now(UTC))
        book = Book(
            directory=directory,
            experiment="sample",
            command=("matrix", "run"),
            cells={cell.id: place for place, cell in enumerate(cells)},
            shards=len(HOSTS),
            earlier=earlier_rounds(self.results, "sample"),
        )
        reporter = PlainReporter(Console(file=self.said, width=500))
        found = greeted(pool, reporter)
        shards = shards_of(cells, len(HOSTS), run=directory.run_id, launches=LAUNCHES)
        handed_out(pool, found, shards, book, reporter)
        return directory


class Messages(Target):
    """Runs on two hosts of which a message or a stored round is damaged, and one after that."""

    name = "messages"

    def make(self, chance: random.Random) -> bytes:
        how = chance.random()
        what = "worker" if how < WORKERS_FILES else "client"
        if how > WORKERS_FILES + CLIENTS_FILES:
            what = str(chance.randint(1, MOST_MESSAGES))
        return f"{what} {chance.getrandbits(64)}".encode()

    def take(self, made: bytes, chance: random.Random) -> None:
        what, _, seed = made.decode().partition(" ")
        own = random.Random(seed)
        hosts = Hosts(self.directory)
        shutil.rmtree(self.directory)
        self.directory.mkdir()
        refused = None
        if what.isdecimal():
            try:
                hosts.run(hosts.pool(damage=lambda m: mutate.message(own, m), number=int(what)))
            except MatrixError as error:
                refused = error
        else:
            self._interrupt(hosts, own)
            self._damage(own, HOSTS if what == "worker" else ("results",))
        run = hosts.run(hosts.pool())
        counts = {cell: len(found) for cell, found in read_run(run).launches.items()}
        baseline = cells_of(CELLS)[0].id
        assert counts.pop(baseline) == LAUNCHES * len(HOSTS), counts
        assert [*counts.values()] == [LAUNCHES] * CELLS, counts
        if refused:
            raise refused

    def _interrupt(self, hosts: Hosts, chance: random.Random) -> None:
        """A run whose client is killed, when a round was made of which it did not hear."""
        try:
            hosts.run(hosts.pool(killed_after=chance.randint(2, LAUNCHES * len(HOSTS))))
        except KilledError:
            return

    def _damage(self, chance: random.Random, below: tuple[str, ...]) -> None:
        """Change a file, or the name of something."""
        found = sorted(path for top in below for path in (self.directory / top).rglob("*"))
        marks = [path for path in found if path.parent.name == ROUNDS]
        path = chance.choice(chance.choice([found, marks or found]))
        if path.is_symlink() or chance.random() < 0.2:
            other = path.with_name(chance.choice(NAMES))
            if not other.exists():
                path.rename(other)
        elif path.is_dir():
            shutil.rmtree(path)
            if chance.random() < 0.5:
                path.write_bytes(b"")
        else:
            content = path.read_bytes().decode("utf-8", "surrogateescape")
            made = mutate.text(chance, [content, "a b\n"])
            path.write_bytes(mutate.as_bytes(chance, made))


#: What a file or a directory may be called instead.
NAMES = ("0", "-1", "1", "3", "99", "9" * 100, "x", " ", "é", "٣", "²", "a b", RESULT, "cells")
