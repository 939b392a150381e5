"""The process that draws: a specification a line comes in, an answer a line goes out.

It ends when its input does, so whatever ends the program that started it ends it as well.
"""

from __future__ import annotations

import base64
import json
import sys

from runner.publish.drawing.pictures import pictures, warm_up


def main() -> None:
    """Draw what comes in until nothing does any more."""
    warm_up()
    for line in sys.stdin.buffer:
        try:
            svg, png = pictures(json.loads(line))
        except ValueError as error:
            sys.exit(str(error).partition("\n")[0])
        answer = {"svg": svg, "png": base64.b64encode(png).decode()}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
