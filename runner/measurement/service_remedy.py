"""What to write into the matrix file where a service ended, or did not become ready."""

from __future__ import annotations

import re
from typing import Final

from runner.engine.companions import CompanionPlan
from runner.engine.protocol import ContainerState

#: The shell's, for a program that it does not find.
NO_PROGRAM: Final = 127
MIB: Final = 1 << 20
#: By what its log says, and the path or name in it, what helps.
BY_LOG: Final = (
    (
        re.compile(r"specify (?:a non-empty value for )?\W*(?P<name>POSTGRES_PASSWORD)"),
        "write `environment: {{{name}: …}}`",
    ),
    (
        re.compile(r"\b(?P<name>(?:MARIADB|MYSQL)_ROOT_PASSWORD)\b"),
        "write `environment: {{{name}: …}}`",
    ),
    (
        re.compile(r"['\"]?(?P<name>/[\w./-]+)['\"]?\W+(?:Read-only file system)"),
        "all but its volumes is read-only: write `tmpfs: [DIRECTORY]` with the directory of {name}",
    ),
    (
        re.compile(r"Read-only file system"),
        "all but its volumes is read-only: write `tmpfs: [DIRECTORY]` for where it writes",
    ),
    (
        re.compile(r"Permission denied|Operation not permitted|must be run as root", re.IGNORECASE),
        "it runs as {user} without capabilities: `user: NUMBER` is whom its image is made for",
    ),
    (
        re.compile(r"Address (?:already )?in use", re.IGNORECASE),
        "all services share one loopback: give it another port by its `command:`",
    ),
)


def remedy_of_end(plan: CompanionPlan, state: ContainerState, log: str) -> str:
    """What helps a service that has ended, as the rest of a sentence; empty for our companions."""
    if plan.kind:
        return ""
    if state.oom_killed:
        has = plan.memory_bytes // MIB
        return f"; it has {has} MiB: write `mem_limit: {2 * has}m` for twice that"
    for pattern, remedy in BY_LOG:
        if match := pattern.search(log):
            return f"; {remedy.format(user=plan.user or 'its image says', **match.groupdict())}"
    if state.exit_code == NO_PROGRAM:
        return "; no such program: correct `command:`, or name the package that has it"
    return "; correct its `command:` or `environment:`"


def remedy_of_wait(plan: CompanionPlan, why: str) -> str:
    """What helps a service that runs and does not become ready; empty for our companions."""
    if plan.kind or plan.healthcheck is None:
        return ""
    if "not found" in why or "no such file" in why.lower():
        return (
            "; the check's program is not in it: write another `healthcheck: {test: …}`, or "
            "`healthcheck: {disable: true}`"
        )
    longer = 2 * plan.healthcheck.retries
    return f"; `healthcheck: {{retries: {longer}}}` gives it longer, or correct the check"
