"""What a `.dockerignore` leaves of a directory, as Docker decides."""

from __future__ import annotations

from pathlib import Path

from docker.utils.build import Pattern, PatternMatcher

FILE = ".dockerignore"


def not_ignored(directory: Path) -> set[str]:
    """The paths below a directory, directories too, that its `.dockerignore` does not exclude."""
    patterns = _patterns((directory / FILE).read_text(encoding="utf-8-sig"))
    matcher = PatternMatcher(patterns)
    # docker-py adds one: `.dockerignore` must reach the engine, which then does not copy it.
    del matcher.patterns[sum(bool(Pattern(pattern).dirs) for pattern in patterns) :]
    return set(matcher.walk(str(directory)))


def _patterns(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
    return [line for line in lines if line]
