"""What a `.dockerignore` leaves of a directory, as Docker decides."""

from __future__ import annotations

from pathlib import Path

from docker.utils.build import Pattern, PatternMatcher
from docker.utils.fnmatch import fnmatchcase

FILE = ".dockerignore"


class CasePattern(Pattern):
    """A pattern that tells capital from small letters: docker-py's does not, and Docker does."""

    def match(self, filepath: str) -> bool:
        """Whether a path below the directory is what the pattern names."""
        return bool(fnmatchcase(filepath, self.cleaned_pattern))


def not_ignored(directory: Path) -> set[str]:
    """The paths below a directory, directories too, that its `.dockerignore` does not exclude."""
    lines = (directory / FILE).read_text(encoding="utf-8-sig").splitlines()
    patterns = (CasePattern(line.strip()) for line in lines if not line.startswith("#"))
    # Without the two that docker-py adds: they are for what the engine reads and does not copy.
    matcher = PatternMatcher([])
    matcher.patterns = [pattern for pattern in patterns if pattern.dirs]
    return set(matcher.walk(str(directory)))
