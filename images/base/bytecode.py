"""Compile Python files to bytecode, in the interpreter that will run them.

Each line of standard input is a JSON object: paths of files in an image, each with its source,
decoded as Latin-1. The line that answers it maps the paths of their bytecode to that, in Base64.
Files that do not compile are left out: packages carry templates, and code for other versions.
Runs from Python 3.8 up on nothing but the standard library.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import marshal
import sys

#: Of the bytecode's header (PEP 552): it belongs to a hash of its source, which nobody checks.
UNCHECKED_HASH = (1).to_bytes(4, "little")


def compiled(path: str, source: bytes) -> bytes | None:
    """Return the content of a `.pyc` file, None where the source does not compile."""
    try:
        code = compile(source, "/" + path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    return header + marshal.dumps(code)


def answer(line: str) -> str:
    """Compile the files of one request."""
    files = {}
    for path, text in json.loads(line).items():
        content = compiled(path, text.encode("latin-1"))
        if content is not None:
            name = importlib.util.cache_from_source(path)
            files[name] = base64.b64encode(content).decode()
    return json.dumps(files)


def main() -> None:
    """Answer each line until there are no more."""
    for line in sys.stdin:
        print(answer(line), flush=True)


if __name__ == "__main__":
    main()
