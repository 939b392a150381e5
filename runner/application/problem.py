"""What uv is asked for an application in a cell: which requirements hold, and which give way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from packaging.requirements import Requirement as Parsed
from packaging.utils import canonicalize_name

from runner.application.pins import AnySource, Directory, Pin, Requirements, Target, mistake, on
from runner.matrix.cell import EnvironmentRequest, Requirement

#: A marker that holds nowhere: how uv is told to leave a distribution out.
NOWHERE: Final = "sys_platform == 'nowhere'"
#: The dependencies of what was built, by name, as its metadata lists them.
Built: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Files:
    """The lines of the files that uv is given; `preferences` are versions kept where possible."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    overrides: tuple[str, ...]
    preferences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An application's requirements and those of a cell, on one Python and platform.

    `brought` is what the packages that the matrix file names depend on, each with the requirement
    that brings it: `greenlet` → `gevent==26.9.0`.
    """

    application: Requirements
    request: EnvironmentRequest
    platform: str
    brought: Mapping[str, str]
    built: Built

    @cached_property
    def target(self) -> Target:
        """For which markers are evaluated."""
        return self.application.target(self.request.python, self.platform)

    @cached_property
    def axes(self) -> Mapping[str, Requirement]:
        """What the matrix file names with a version. Other requirements are only needed."""
        return {canonicalize_name(r.name): r for r in self.request.requirements if r.specifier}

    @cached_property
    def pins(self) -> tuple[Pin, ...]:
        """The application's, as far as their markers hold."""
        return tuple(on(self.target, self.application.pins))

    @cached_property
    def sources(self) -> tuple[AnySource, ...]:
        """What has to be built besides distributions of the index, but for what an axis names."""
        found = on(self.target, self.application.sources)
        return tuple(source for source in found if source.name not in self.axes)

    @cached_property
    def named(self) -> frozenset[str | None]:
        """What the application names, by requirement or by source."""
        return frozenset([*(p.name for p in self.pins), *(s.name for s in self.sources)])

    @property
    def wheels_only(self) -> frozenset[str]:
        """What is never built: it is compared, so that it has to be what everybody installs."""
        return frozenset([*self.axes, *self.brought])

    def place(self, name: str) -> str:
        """Where the application names a distribution, for messages."""
        wanted = canonicalize_name(name)
        places = (pin.place for pin in self.pins if pin.name == wanted)
        return next(places, "the application's requirements")

    def gives_way(self, pin: Pin) -> bool:
        """Whether another version may be taken, because an axis depends on it."""
        return pin.name in self.brought and pin.name not in self.axes

    def files(self, *, strict: bool) -> Files:
        """What uv is asked.

        If `strict`, ranges of the application hold, and the ranges of distributions that it pins
        too. Otherwise what it pins is taken as it is: locks may hold what metadata forbids.
        """
        return Files(
            requirements=tuple(sorted({*self._asked(), *self._required(strict)})),
            constraints=tuple(sorted(self._constraints(strict))),
            overrides=tuple(sorted({*self._left_out(), *([] if strict else self._forced())})),
            preferences=tuple(
                sorted({f"{p.name}=={p.exact}" for p in self.pins if p.exact and self.gives_way(p)})
            ),
        )

    def _asked(self) -> Iterator[str]:
        """What the cell needs: the axes' versions, and what the application does not name."""
        for name, requirement in self.axes.items():
            extras = sorted({e for p in self.pins if p.name == name for e in p.extras})
            yield (
                f"{name}[{','.join(extras)}]{requirement.specifier}"
                if extras
                else (f"{name}{requirement.specifier}")
            )
        for requirement in self.request.requirements:
            if not requirement.specifier and canonicalize_name(requirement.name) not in self.named:
                yield requirement.name

    def _required(self, strict: bool) -> Iterator[str]:
        for pin in self.pins:
            if pin.required and pin.name not in self.axes:
                free = self.gives_way(pin) and (pin.exact or not strict)
                yield pin.with_extras if free else str(pin)
        for source in self.sources:
            yield from self._dependencies(source)

    def _constraints(self, strict: bool) -> Iterator[str]:
        for pin in self.pins:
            free = self.gives_way(pin) and (pin.exact or not strict)
            if not pin.required and pin.specifier and pin.name not in self.axes and not free:
                yield f"{pin.name}{pin.specifier}"

    def _left_out(self) -> Iterator[str]:
        yield from (f"{source.name} ; {NOWHERE}" for source in self.sources if source.name)

    def _forced(self) -> Iterator[str]:
        """Exact versions that hold whatever others say of them."""
        extras: dict[str, set[str]] = {}
        for pin in self.pins:
            extras.setdefault(pin.name, set()).update(pin.extras)
        for pin in self.pins:
            if pin.exact and pin.name not in self.axes and not self.gives_way(pin):
                several = ",".join(sorted(extras[pin.name]))
                yield f"{pin.name}[{several}]{pin.specifier}" if several else str(pin)

    def _dependencies(self, source: AnySource) -> Iterable[str]:
        """What a source depends on, as far as that is known."""
        target = Target(
            python=self.target.python,
            platform=self.target.platform,
            extras=frozenset(source.extras),
        )
        for text in self.known(source) or ():
            parsed = Parsed(text)
            if not target.meets(str(parsed.marker) if parsed.marker else None):
                continue
            if parsed.url is None:
                parsed.marker = None
                yield str(parsed)
            elif canonicalize_name(parsed.name) not in self.named:
                raise mistake(
                    source.place,
                    f"{source.name} needs {parsed.name} from an address: name that in the "
                    "application's requirements too",
                )

    def known(self, source: AnySource) -> tuple[str, ...] | None:
        """The dependencies of a source, None until it is built."""
        stated = source.requires if isinstance(source, Directory) else None
        return self.built.get(source.name or "", stated)
