"""Programs of distributions: they are run by the first `python3` on an image's PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.build.scripts import scripts_in

UV = "#!/home/somebody/.venv/bin/python\nfrom shop import main\nsys.exit(main())\n"
LONG = "#!/bin/sh\n'''exec' '/a/very/long/path/python' \"$0\" \"$@\"\n' '''\nprint(1)\n"


def installed(directory: Path, entry_points: str = "", **programs: str | bytes) -> dict[str, bytes]:
    (directory / "bin").mkdir(exist_ok=True)
    info = directory / "shop-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "entry_points.txt").write_text(entry_points)
    for name, content in programs.items():
        data = content.encode() if isinstance(content, str) else content
        (directory / "bin" / name).write_bytes(data)
    return scripts_in(directory)


@pytest.mark.parametrize("group", ["console_scripts", "gui_scripts"])
def test_an_entry_point_becomes_a_script_that_calls_it(group: str, tmp_path: Path) -> None:
    found = installed(tmp_path, f"[{group}]\nshop = shop.cli:commands.run [fast]\n", shop=UV)
    text = found["bin/shop"].decode()
    assert text.startswith("#!/usr/bin/env python3\n")
    assert "somebody" not in text
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "cli.py").write_text(
        "import sys\nclass commands:\n    def run(): print(sys.argv[1:]); return 3\n"
    )
    script = tmp_path / "script"
    script.write_text(text)
    done = subprocess.run(
        [sys.executable, str(script), "up"], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "['up']\n")


@pytest.mark.parametrize("content", [UV, LONG, "#!/usr/bin/python3.12 -I\nprint(1)\n"])
def test_another_script_gets_another_first_line(content: str, tmp_path: Path) -> None:
    text = installed(tmp_path, tool=content)["bin/tool"].decode()
    assert text.startswith("#!/usr/bin/env python3\n")
    assert text.endswith(content.splitlines(keepends=True)[-1])
    assert "exec" not in text


@pytest.mark.parametrize("content", [b"\x7fELF\0python\n", b"#!/bin/sh\nexec python\n", b""])
def test_what_is_no_script_of_python_stays_as_it_is(content: bytes, tmp_path: Path) -> None:
    assert installed(tmp_path, tool=content) == {"bin/tool": content}


def test_what_was_not_installed_is_not_made(tmp_path: Path) -> None:
    assert installed(tmp_path, "[console_scripts]\nshop = shop:main\n") == {}
    assert scripts_in(tmp_path / "nothing") == {}
