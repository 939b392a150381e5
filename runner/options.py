"""What options of the command line can be set to, in a module that imports next to nothing.

`matrix --help` starts fast because of that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

#: The matrix file, unless another is named.
MATRIX_FILE: Final = "matrix.yaml"
#: By which share a figure must differ before that matters, unless the matrix file says otherwise.
DELTAS: Final = {"rate": 0.02, "cpu": 0.10, "p99": 0.05, "rss": 0.05}
#: After so many rounds a run may stop because its intervals are narrow enough.
FEWEST_TO_STOP: Final = 3
#: The most pods that run at the same time: a limit of memory, and of the time to start them.
LARGEST_WAVE: Final = 40


class Format(StrEnum):
    """What a table can be written as."""

    GITHUB = "github"
    PLAIN = "plain"
    CSV = "csv"
    JSON = "json"
    LATEX = "latex"
    HTML = "html"


class ExportFormat(StrEnum):
    """What a run can be exported as."""

    GITHUB_ACTION_BENCHMARK = "github-action-benchmark"
    BENCHER = "bencher"
    PYPERF = "pyperf"
    CSV = "csv"
    JUNIT = "junit"
    OPENMETRICS = "openmetrics"
