"""Why a build failed, of all that it printed, and which package of Debian has what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from runner.resolver import without_addresses
from runner.text import one_line

LONGEST: Final = 300
#: Lines that say that something failed, and not what.
NOISE: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"error: subprocess-exited-with-error",
        r"error: command .* failed( with exit (code|status) \d+)?(: .*)?$",
        r"error: failed building wheel",
        r"error: metadata-generation-failed",
        r"subprocess\.CalledProcessError: ",
        r"compilation terminated\.",
        r"make(\[\d+\])?: \*\*\* ",
        r"ninja: build stopped",
        r"collect2: error: ld returned",
        r"distutils\.errors\.\w+: command .* failed",
        r"(setuptools|distutils)[\w.]*\.CompileError: command",
        r"full traceback|hint:|note:",
    )
)
#: How a line begins or goes on that says why; the first kind that is found counts.
REASONS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"fatal error: ",
        r"\berror: (?!.*\bwarning\b)|\bError: |\bERROR: |\bundefined reference to |cannot find -l",
        r"^\s*[\w.]*(Error|Exception|Exit|Invalid|Unavailable)\b",
        r"not found|No such file or directory|No package '",
    )
)
#: What a build misses, as compilers, pkg-config and configure scripts name it, and the package of
#: Debian that has it, the same in all suites that are used here.
PACKAGES: Final = {
    r"\blibpq-fe\.h\b|\bpg_config\b": "libpq-dev",
    r"\bPython\.h\b": "python3-dev",
    r"\bmysql\.h\b|\bmysql_config\b|\bpkg-config\b.*\bmysqlclient\b": "default-libmysqlclient-dev",
    r"\bxmlsec1?\b": "libxmlsec1-dev",
    r"\blibxml/|\blibxml2\b|\bxml2-config\b": "libxml2-dev",
    r"\blibxslt/|\bxslt-config\b": "libxslt1-dev",
    r"\bldap\.h\b|\blber\.h\b": "libldap2-dev",
    r"\bsasl(/sasl)?\.h\b": "libsasl2-dev",
    r"\bkrb5-config\b|\bgssapi(/gssapi)?\.h\b|\bkrb5\.h\b": "libkrb5-dev",
    r"\bffi\.h\b|\blibffi\b": "libffi-dev",
    r"\bopenssl/\w+\.h\b": "libssl-dev",
    r"\bcurl-config\b|\bcurl/curl\.h\b": "libcurl4-openssl-dev",
    r"\bsql\.h\b|\bsqltypes\.h\b": "unixodbc-dev",
    r"\bsqlfront\.h\b|\bsybdb\.h\b": "freetds-dev",
    r"\bsqlite3\.h\b": "libsqlite3-dev",
    r"\brdkafka\.h\b": "librdkafka-dev",
    r"\bmagic\.h\b": "libmagic-dev",
    r"\byaml\.h\b": "libyaml-dev",
    r"\bgmp\.h\b": "libgmp-dev",
    r"\bmpfr\.h\b": "libmpfr-dev",
    r"\bzlib\.h\b": "zlib1g-dev",
    r"\bbzlib\.h\b": "libbz2-dev",
    r"\blzma\.h\b": "liblzma-dev",
    r"\bsnappy(-c)?\.h\b": "libsnappy-dev",
    r"\bjpeglib\.h\b|for jpeg could not be found": "libjpeg-dev",
    r"\bft2build\.h\b": "libfreetype-dev",
    r"\bcairo\.h\b": "libcairo2-dev",
    r"\bgeos_c\.h\b|\bgeos-config\b": "libgeos-dev",
    r"\bgdal-config\b|\bgdal\.h\b": "libgdal-dev",
    r"\bMagickWand\b": "libmagickwand-dev",
    r"\bre2/re2\.h\b": "libre2-dev",
    r"\bev\.h\b": "libev-dev",
    r"\buuid(/uuid)?\.h\b": "uuid-dev",
    r"\bsystemd/sd-\w+\.h\b|\blibsystemd\b": "libsystemd-dev",
    r"\bdbus/dbus\.h\b": "libdbus-1-dev",
    r"\bswig\b.*(not found|No such file)|No such file.*\bswig\b": "swig",
    r"\bcmake\b.*(not found|not installed|No such file)": "cmake",
}
#: What cannot be had in a container without network, whatever is installed.
CRATES: Final = re.compile(r"\bcargo\b|\brustc\b|\bmaturin\b|Rust (compiler|toolchain)")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a build failed: a line of what it printed, and what to do where that is well known."""

    why: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.why}; {self.remedy}" if self.remedy else self.why


def failure(printed: str) -> Failure:
    """The reason in what a build printed: the compiler's line, or the last one of a hook's."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    told = [line for line in lines if not any(noise.search(line) for noise in NOISE)]
    why = next(_reasons(told), (told or lines or ["it printed nothing"])[-1])
    short = one_line(without_addresses(why))[:LONGEST].rstrip(".")
    return Failure(why=short, remedy=_remedy(why, lines))


def _reasons(lines: list[str]) -> Iterator[str]:
    """The last line of each kind."""
    for reason in REASONS:
        yield from (line for line in reversed(lines) if reason.search(line))


def _remedy(why: str, lines: Iterable[str]) -> str:
    """The line that is the reason need not be the one that names what is missing."""
    for text in (why, "\n".join(lines)):
        found = [package for missing, package in PACKAGES.items() if re.search(missing, text)]
        if found:
            return f"`application.debian: [{found[0]}]` installs what is missing"
        if CRATES.search(text):
            return (
                "it is written in Rust and needs crates from the network, which a build here does "
                "not have: choose a version with a wheel for this Python"
            )
    return ""
