"""What an application's own files say of what its cells need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.application.own_python import own_python
from runner.application.pins import Requirements
from runner.application.requirements import read_requirements
from runner.matrix.application import Application, Facts
from runner.matrix.expand import PYTHON


def directory_of(application: Application) -> Path:
    """The directory of the matrix file, to which paths are relative."""
    return application.written.path.resolve().parent


def root_of(application: Application) -> Path | None:
    """The directory that is copied, None for none."""
    if application.source is None:
        return None
    return (directory_of(application) / application.source).resolve()


def requirements_of(application: Application) -> Requirements:
    """What the application requires; `SpecError` for what is not understood."""
    return read_requirements(
        application.requirements,
        root=directory_of(application),
        extras=application.extras,
        groups=application.groups,
    )


def facts_of(application: Application, pythons: Sequence[str]) -> Facts:
    """The application's Python and packages; `pythons` are those to choose from, the best last."""
    found = requirements_of(application)
    names = {pin.name for pin in found.pins if pin.required}
    names |= {source.name for source in found.sources if source.name}
    python, remark = _python(application, pythons)
    return Facts(python=python, packages=frozenset(names), remarks=(remark,))


def _python(application: Application, pythons: Sequence[str]) -> tuple[str, str]:
    """The Python that is meant, and why."""
    stated = own_python(root_of(application) or directory_of(application))
    if stated is None:
        return PYTHON, f"Python {PYTHON}: the application does not say which; name it in `axes`"
    allowed = [python for python in pythons if stated.allows(python)]
    python = stated.version or (allowed[-1] if allowed else PYTHON)
    return python, f"Python {python}: {stated.place} says {stated.text!r}"
