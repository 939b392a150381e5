"""The rules of `rules.yaml`: which line explains what was found."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Self

import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from runner.measurement.why.facts import Facts, named
from runner.measurement.why.findings import Fields
from runner.measurement.why.kinds import FINDINGS
from runner.outcome import Outcome

FILE: Final = Path(__file__).with_name("rules.yaml")
#: A condition that is a regular expression is between these.
SLASH: Final = "/"
NOT: Final = "not "
#: Findings that are made of the log alone.
OF_THE_LOG: Final = frozenset({"exception", "ignored-exception"})
#: How a line begins that names no cause.
UNEXPLAINED: Final = "not explained"


class Rule(BaseModel):
    """One kind of cause: see the head of `rules.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    found: str
    conditions: dict[str, str | list[str]] = Field(default_factory=dict, alias="if")
    outcomes: frozenset[Outcome] | None = None
    patched: tuple[str, ...] = ()
    installed: dict[str, str] = Field(default_factory=dict)
    says: str
    remedy: str | None = None

    @model_validator(mode="after")
    def _has_a_finding(self) -> Self:
        if self.found not in FINDINGS:
            raise ValueError(f"{self.name}: there is no finding {self.found!r}")
        return self

    def fits(self, facts: Facts, fields: Fields) -> bool:
        """Whether it explains what was found."""
        return (
            (self.outcomes is None or facts.outcome in self.outcomes)
            and all(_matches(fields.get(name, ""), to) for name, to in self.conditions.items())
            and all(_is_patched(module, facts) for module in self.patched)
            and all(_is_installed(facts, name, which) for name, which in self.installed.items())
        )

    @property
    def explains(self) -> bool:
        """Whether its line names a cause."""
        return not self.says.startswith(UNEXPLAINED)

    def line(self, facts: Facts, fields: Fields) -> str:
        """What it says, with the remedy where one is known."""
        values = {**{named(n).replace("-", "_"): v for n, v in facts.installed.items()}, **fields}
        said = self.says.format_map(values)
        return f"{said}; remedy: {self.remedy.format_map(values)}" if self.remedy else said


@functools.cache
def rules() -> tuple[Rule, ...]:
    """All rules, in the order in which they are tried."""
    stored: Any = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return TypeAdapter(tuple[Rule, ...]).validate_python(stored)


def explained(facts: Facts) -> tuple[Rule, str] | None:
    """The first rule that fits, and its line; None where none does."""
    found = functools.cache(lambda kind: FINDINGS[kind](facts))
    for rule in rules():
        # Of a launch that just works, only what its log says is to be explained.
        if facts.outcome is Outcome.OK and not facts.is_stalled and rule.found not in OF_THE_LOG:
            continue
        fields: Mapping[str, str] | None = found(rule.found)
        if fields is not None and rule.fits(facts, fields):
            return rule, rule.line(facts, fields)
    return None


def _matches(value: str, wanted: str | list[str]) -> bool:
    if isinstance(wanted, list):
        return any(_matches(value, one) for one in wanted)
    if wanted.startswith(SLASH) and wanted.endswith(SLASH):
        return re.search(wanted.strip(SLASH), value) is not None
    return fnmatchcase(value, wanted)


def _is_patched(module: str, facts: Facts) -> bool:
    if module.startswith(NOT):
        return facts.keeps(module.removeprefix(NOT))
    return facts.replaces(module)


def _is_installed(facts: Facts, name: str, which: str) -> bool:
    try:
        version = facts.installed.get(name)
        return version is not None and SpecifierSet(which).contains(version, prereleases=True)
    except InvalidVersion:
        return False
