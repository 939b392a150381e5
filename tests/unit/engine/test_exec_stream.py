from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine.exec_stream import AttachedProcess, read_exec
from runner.errors import EngineError


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
    finished, stdout, _ = read_exec(ours, timeout=0.5)
    assert not finished
    assert stdout == b"begun"


def test_a_stream_that_never_stops_ends_at_the_deadline(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.sendall(frame(2, b"."))
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


def test_each_line_is_answered_by_a_line(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    process = AttachedProcess(ours)
    theirs.sendall(frame(1, b"fir") + frame(2, b"noise") + frame(1, b"st\nsec"))
    assert process.ask("one", timeout=10) == b"first"
    theirs.sendall(frame(1, b"ond\n"))
    assert process.ask("two", timeout=10) == b"second"
    assert theirs.recv(100) == b"one\ntwo\n"


def test_silence_is_no_answer(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(frame(1, b"half a li"))
    with pytest.raises(EngineError, match="no answer within 0 s"):
        AttachedProcess(ours).ask("one", timeout=0.05)


def test_a_process_that_has_ended_answers_what_it_said_last(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.sendall(frame(2, b"Traceback\nboom\n"))
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(EngineError, match="it has ended: boom"):
        AttachedProcess(ours).ask("one", timeout=10)


def test_a_connection_that_is_gone_is_an_error_of_the_engine(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.close()
    with pytest.raises(EngineError, match=r"broke|ended"):
        AttachedProcess(ours).ask("one", timeout=10)


def test_hanging_up_ends_a_wait_in_another_thread(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    process = AttachedProcess(ours)
    ends: list[str] = []

    def wait() -> None:
        try:
            process.ask("one", timeout=60)
        except EngineError as error:
            ends.append(str(error))

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    assert theirs.recv(100) == b"one\n"  # so it waits now
    process.close()
    waiting.join(10)
    assert len(ends) == 1
    assert theirs.recv(100) == b""  # and the process's input has ended


def test_a_stream_that_is_closed_under_a_waiting_thread_ends_its_wait(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    errors: list[EngineError] = []

    def wait() -> None:
        try:
            AttachedProcess(ours).ask("{}", timeout=60)
        except EngineError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    pair[1].recv(10)  # it has asked
    ours.close()
    waiting.join(30)
    assert len(errors) == 1
