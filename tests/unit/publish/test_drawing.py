from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.errors import MatrixError
from runner.publish.drawing.artist import Artist

POINT = {
    "description": 'a "point" <b>',
    "mark": "point",
    "data": {"values": [{"a": 1}]},
    "encoding": {"x": {"field": "a", "type": "quantitative"}},
}


def test_several_are_drawn_in_their_order() -> None:
    with Artist() as artist:
        drawn = [artist.draw(POINT | {"title": title}) for title in ("first", "second")]
    for title, pictures in zip(("first", "second"), drawn, strict=True):
        assert title in pictures.result().svg
        assert "aria-label='a \"point\" &lt;b&gt;'" in pictures.result().svg
        assert pictures.result().png.startswith(b"\x89PNG")


def test_a_specification_that_cannot_be_drawn_is_one_clear_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Artist() as artist:
        pictures = artist.draw({"description": "", "mark": "no such mark"})
        after = artist.draw(POINT)
    for one in (pictures, after):
        with pytest.raises(MatrixError, match=r"charts cannot be drawn.* status 1"):
            one.result()
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_killed_process_is_one_clear_error() -> None:
    with Artist([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) as artist:
        pictures = artist.draw(POINT)
    with pytest.raises(MatrixError, match="status -9"):
        pictures.result()


def test_it_ends_with_the_program_however_that_ends() -> None:
    program = """
import os, sys
from runner.publish.drawing.artist import Artist
artist = Artist()
artist.draw({"description": "", "mark": "point", "data": {"values": []}}).result()
print(artist._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    said = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False
    )
    assert said.returncode == -signal.SIGKILL
    artist = int(said.stdout)
    for _ in range(100):
        if not runs(artist):
            return
        time.sleep(0.1)
    os.kill(artist, signal.SIGKILL)
    pytest.fail("the process that draws outlived its program")


def runs(pid: int) -> bool:
    """Whether there is such a process, one that is no zombie which nobody has waited for yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
