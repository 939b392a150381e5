"""Which package of Debian has a program, a shared library, or what a build needs.

Later suites have some of them under another name, and install them by this one too.
"""

from __future__ import annotations

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
#: Packages by what a build misses, as compilers, pkg-config and configure scripts name it.
FOR_BUILDS: Final = {
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


def with_program(name: str) -> str | None:
    """The package with a program, None where none is known."""
    return PROGRAMS.get(name, name if name in SAME_NAME else None)


def with_library(name: str) -> str | None:
    """The package with a shared library, `libpq.so.5` or `libpq`, None where none is known."""
    return LIBRARIES.get(name.partition(".so")[0])
