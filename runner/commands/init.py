"""`matrix init`: a commented matrix file to start from, and the schema that editors check it by.

Beside an application it proposes an experiment about that.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from runner.commands.proposal import proposal
from runner.errors import UsageError
from runner.matrix import schema
from runner.options import MATRIX_FILE


def init(file: Path) -> str:
    """Write a matrix file and its schema; return what to do next.

    The file proposes an experiment about the application in its directory, where there is one.

    Raises `UsageError` instead of changing a file that exists.
    """
    template = resources.files("runner.commands") / "templates" / MATRIX_FILE
    beside = file.with_name(schema.FILE)
    proposed = proposal(file.parent)
    written = proposed.text if proposed else template.read_text(encoding="utf-8")
    texts = {file: written, beside: schema.text()}
    for path, text in texts.items():
        if path.exists() and not (path == beside and _read(path) == text):
            raise UsageError(
                f"{path}: exists already and is left as it is; move it away, or write to another "
                "directory with `--file DIRECTORY/matrix.yaml`"
            )
    for path, text in texts.items():
        _write(path, text)
    option = "" if file == Path(MATRIX_FILE) else f" --file {file}"
    about = f" about {proposed.app.value} ({proposed.app.place})" if proposed else ""
    return (
        f"wrote {file}{about} and {beside}, which lets editors complete and check it\n"
        f"edit it; `matrix plan{option}` shows what would run, and `matrix run{option}` runs it"
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None
