"""What a client may ask a worker's process for: functions that are sent by their names."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import Final

from runner.commands.hosts.post import ROUNDS, Post, open_post
from runner.commands.hosts.wire import Assignment, Greeting, Made, Order, Prepared
from runner.errors import EngineError, MatrixError

#: This process's post. `matrix worker` has one from its start, another worker when it is greeted.
_POSTS: Final[list[Post]] = []


def use(post: Post) -> None:
    """Serve with this post."""
    _POSTS[:] = [post]


def _post() -> Post:
    if not _POSTS:
        use(open_post(ROUNDS))
    return _POSTS[0]


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """What nobody expects goes to the worker's log in full: the client is told one line of it."""
    try:
        yield
    except (MatrixError, EngineError):
        raise
    except Exception:
        traceback.print_exc()
        raise


def greet() -> Greeting:
    """Who the worker is."""
    with _logged():
        return _post().greet()


def prepare(assignment: Assignment) -> Prepared:
    """Build what a shard needs."""
    with _logged():
        return _post().prepare(assignment)


def make_round(order: Order) -> Made:
    """Make a round, or hand it over where it was made before."""
    with _logged():
        return _post().make_round(order)


def acknowledge(order: Order) -> None:
    """Delete a round that the client has stored."""
    _post().acknowledge(order)


def stop(run: str | None) -> None:
    """Make no further launch of a run."""
    _post().stop(run)
