from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine.exec_stream import read_exec


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(payload)) + payload


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=8),
    st.floats(0, 1),
)
def test_frames_may_be_cut_anywhere(frames: list[tuple[int, bytes]], share: float) -> None:
    ours, theirs = socket.socketpair()
    sent = b"".join(frame(kind, payload) for kind, payload in frames)
    cut = int(share * len(sent))

    def send() -> None:
        theirs.sendall(sent[:cut])
        theirs.sendall(sent[cut:])
        theirs.close()

    sender = threading.Thread(target=send)
    sender.start()
    finished, stdout, stderr = read_exec(ours, timeout=10)
    sender.join()
    assert finished
    assert stdout == b"".join(payload for kind, payload in frames if kind == 1)
    assert stderr == b"".join(payload for kind, payload in frames if kind == 2)


def test_silence_ends_at_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(frame(1, b"begun"))
    finished, stdout, _ = read_exec(ours, timeout=0.05)
    assert not finished
    assert stdout == b"begun"


def test_a_stream_that_never_stops_ends_at_the_deadline(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    stop = threading.Event()

    def chatter() -> None:
        try:
            while not stop.is_set():
                theirs.sendall(frame(2, b"."))
        except OSError:
            pass

    thread = threading.Thread(target=chatter)
    thread.start()
    finished, _, stderr = read_exec(ours, timeout=0.1)
    stop.set()
    thread.join()
    assert not finished
    assert stderr


def test_a_stream_that_breaks_off_keeps_what_came(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.sendall(frame(1, b"whole") + frame(1, b"half of it")[:12])
    theirs.close()
    assert read_exec(ours, timeout=5) == (True, b"whole", b"")
