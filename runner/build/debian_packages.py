"""Which package of Debian has a program or a shared library that a command misses."""

from __future__ import annotations

import re
from typing import Final

#: Packages by the programs in them, where they are called something else.
PROGRAMS: Final = {
    "c++": "g++", "cc": "gcc", "cmp": "diffutils", "convert": "imagemagick", "dig": "dnsutils",
    "dot": "graphviz", "g++": "g++", "gcc": "gcc", "gs": "ghostscript", "identify": "imagemagick",
    "ip": "iproute2", "java": "default-jre-headless", "killall": "psmisc", "ld": "binutils",
    "msgfmt": "gettext", "mysql": "default-mysql-client", "mysqldump": "default-mysql-client",
    "mysql_config": "default-libmysqlclient-dev", "nc": "netcat-openbsd", "node": "nodejs",
    "openssl": "openssl", "patch": "patch", "pdftotext": "poppler-utils", "pg_config": "libpq-dev",
    "pg_dump": "postgresql-client", "pkg-config": "pkgconf", "ps": "procps",
    "psql": "postgresql-client", "redis-cli": "redis-tools", "rustc": "rustc",
    "soffice": "libreoffice", "sqlite3": "sqlite3", "ssh": "openssh-client",
    "tesseract": "tesseract-ocr", "wkhtmltopdf": "wkhtmltopdf", "xgettext": "gettext",
    "xmllint": "libxml2-utils", "xz": "xz-utils",
}  # fmt: skip
#: Packages by the programs in them, where both have the same name.
SAME_NAME: Final = frozenset(
    {
        "cargo", "cmake", "curl", "ffmpeg", "file", "git", "jq", "less", "lsof", "make", "nodejs",
        "npm", "pandoc", "rsync", "sudo", "unzip", "wget", "xmlsec1", "zip",
    }
)  # fmt: skip
#: Packages by the shared libraries in them, up to `.so`, and as `find_library` has their names.
LIBRARIES: Final = {
    "libGL": "libgl1", "libcairo": "libcairo2", "libcurl": "libcurl4", "libffi": "libffi8",
    "libfontconfig": "libfontconfig1", "libfreetype": "libfreetype6", "libgeos_c": "libgeos-c1v5",
    "libglib-2.0": "libglib2.0-0", "libgmp": "libgmp10", "libgobject-2.0": "libglib2.0-0",
    "libgomp": "libgomp1", "libgthread-2.0": "libglib2.0-0", "libjpeg": "libjpeg62-turbo",
    "libldap": "libldap2", "libldap-2.5": "libldap-2.5-0", "libldap_r-2.4": "libldap-2.4-2",
    "libltdl": "libltdl7", "libmagic": "libmagic1", "libmariadb": "libmariadb3",
    "libodbc": "unixodbc", "libopenblas": "libopenblas0", "libopenjp2": "libopenjp2-7",
    "libpango-1.0": "libpango-1.0-0", "libpangocairo-1.0": "libpangocairo-1.0-0",
    "libpangoft2-1.0": "libpangoft2-1.0-0", "libpng16": "libpng16-16", "libpq": "libpq5",
    "libproj": "proj-bin", "librdkafka": "librdkafka1", "libsnappy": "libsnappy1v5",
    "libsqlite3": "libsqlite3-0", "libtiff": "libtiff6", "libuv": "libuv1", "libvips": "libvips42",
    "libwebp": "libwebp7", "libxml2": "libxml2", "libxmlsec1": "libxmlsec1",
    "libxslt": "libxslt1.1", "libzbar": "libzbar0",
}  # fmt: skip
#: How a shell, Python and other programs say that there is no such program.
NO_PROGRAM = (
    re.compile(r"(?:^|: )(?P<name>[\w.+-]+): (?:command )?not found\s*$"),
    re.compile(r"No such file or directory: b?'(?P<name>[\w.+-]+)'"),
    re.compile(r"\benv: '?(?P<name>[\w.+-]+)'?: No such file or directory\s*$"),
    re.compile(r"cannot find command '(?P<name>[\w.+-]+)'", re.IGNORECASE),
    re.compile(r"(?P<name>[\w.+-]+) executable (?:must be|not found)", re.IGNORECASE),
)
NO_LIBRARY = (
    re.compile(r"(?P<name>lib[\w.+-]+?)\.so[.\d]*: cannot open shared object file"),
    re.compile(r"failed to find (?P<name>lib\w+)", re.IGNORECASE),
    re.compile(r"cannot load library '(?P<name>lib[\w.+-]+?)(?:\.so[.\d]*|-\d+)?'"),
)


def package_for(line: str) -> str | None:
    """The package with what a line of a program's output says is missing, None if none is known."""
    for pattern in NO_LIBRARY:
        if (match := pattern.search(line)) and (package := LIBRARIES.get(match["name"])):
            return package
    for pattern in NO_PROGRAM:
        if match := pattern.search(line):
            name = match["name"]
            if package := PROGRAMS.get(name, name if name in SAME_NAME else None):
                return package
    return None


def remedy(line: str) -> str | None:
    """What to write into the matrix file for what a line says is missing, None if nothing helps."""
    package = package_for(line)
    return f"`application.debian: [{package}]` installs it" if package else None
