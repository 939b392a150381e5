"""Images of companions: the services that cells talk to, with versions of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.build.base import (
    SUITES,
    NoBaseError,
    ensure_base,
    ensure_suite,
    registry_reference,
)
from runner.build.build import Image, current_image, image_context, link_or_copy
from runner.build.labels import digest, labels
from runner.build.lock import Lock, lock_all
from runner.build.site_packages import install
from runner.engine.pod import COMPANION_USER
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.matrix import plugins
from runner.matrix.cell import Base, EnvironmentRequest, Requirement
from runner.matrix.plugins import CompanionKind

DOCKERFILE = """\
FROM {base}
COPY passwd /etc/passwd
COPY site /site
COPY {name}.py /companion/{name}.py
ENV PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER {user}
CMD {command}
"""
REGISTRY_DEBIAN_DOCKERFILE = """\
FROM {base}
RUN apt-get update && apt-get install -y --no-install-recommends {packages} \\
 && rm -rf /var/lib/apt/lists/*
"""
#: PostgreSQL refuses a user without a name.
PASSWD = f"root:x:0:0::/root:/bin/sh\ncompanion:x:{COMPANION_USER}::/tmp:/bin/sh\n"


@dataclass(frozen=True, kw_only=True)
class CompanionImage(Image):
    """A companion's image, and the exact versions of its Python packages."""

    versions: Mapping[str, str] = field(default_factory=dict)


def command(name: str) -> tuple[str, ...]:
    """How a companion is started. `-P`: its own file may be called like what it imports."""
    return ("python3", "-P", f"/companion/{name}.py")


def ensure_companions(
    engine: Engine, names: Iterable[str], kind: str, base: Base, *, platform: str, cache: Path
) -> dict[str, CompanionImage | EngineError]:
    """The images of companions by name, made or found; an error for one that cannot be had."""
    wanted = {name: plugins.companions()[name] for name in sorted(set(names))}
    requests = {name: _request(companion) for name, companion in wanted.items()}
    locks = lock_all(
        [request for request in requests.values() if request.requirements],
        platform=platform,
        cache_directory=cache,
    )
    images: dict[str, CompanionImage | EngineError] = {}
    for name, companion in wanted.items():
        lock = locks.get(requests[name])
        if lock is not None and not isinstance(lock, Lock):
            images[name] = EngineError(f"companion {name}: {lock.reason}")
            continue
        try:
            images[name] = _ensure(
                engine, companion, lock, _base(engine, companion, kind, base), cache
            )
        except (EngineError, NoBaseError) as error:
            images[name] = EngineError(f"companion {name}: {error}")
    return images


def _request(companion: CompanionKind) -> EnvironmentRequest:
    return EnvironmentRequest(
        python=companion.python,
        requirements=tuple(
            sorted(Requirement(name=n, specifier=s) for n, s in companion.packages.items())
        ),
        exclude_newer=companion.exclude_newer,
    )


def _base(engine: Engine, companion: CompanionKind, kind: str, base: Base) -> Image:
    """The companion's interpreter with its packages of the distribution."""
    if not companion.debian:
        plain = ensure_base(engine, companion.python, kind, base)
        return Image(reference=plain.reference, image_id=plain.image_id)
    if kind == "debian":
        suite = SUITES[companion.python]
        reference = f"monkey-matrix/base:{companion.name}-{suite}"
        made = ensure_suite(engine, reference, suite, ("python3", *companion.debian), base)
        return Image(reference=reference, image_id=made)
    below = registry_reference(companion.python, base)
    dockerfile = REGISTRY_DEBIAN_DOCKERFILE.format(base=below, packages=" ".join(companion.debian))
    reference = f"monkey-matrix/base:{companion.name}-registry"
    key = digest([below, dockerfile])[:12]
    if image := current_image(engine, reference, key):
        return Image(reference=reference, image_id=image)
    with image_context(dockerfile) as context:
        built = engine.build(context, reference, labels("base", key))
    return Image(reference=reference, image_id=built)


def _ensure(
    engine: Engine, companion: CompanionKind, lock: Lock | None, base: Image, cache: Path
) -> CompanionImage:
    name = companion.name
    versions = dict(lock.versions) if lock else {}
    program = companion.program.read_bytes()
    key = digest([base.image_id, lock.digest if lock else "", program, DOCKERFILE, PASSWD])[:12]
    reference = f"monkey-matrix/companion:{name}-{key}"
    if image := current_image(engine, reference, key):
        return CompanionImage(reference=reference, image_id=image, versions=versions)
    quoted = ", ".join(f'"{part}"' for part in command(name))
    dockerfile = DOCKERFILE.format(
        base=base.reference, name=name, user=COMPANION_USER, command=f"[{quoted}]"
    )
    with image_context(dockerfile) as context:
        if lock:
            shutil.copytree(install(lock, cache), context / "site", copy_function=link_or_copy)
        else:
            (context / "site").mkdir()
        for path, content in ((f"{name}.py", program), ("passwd", PASSWD.encode())):
            (context / path).write_bytes(content)
            (context / path).chmod(0o644)
        built = engine.build(context, reference, labels("companion", key))
    return CompanionImage(reference=reference, image_id=built, versions=versions)
