"""What a wrong answer means, by its status and where it leads: in words, with the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic import ConfigDict

from runner.matrix.application import Request
from runner.measurement.bounded import Bounded
from runner.text import one_line

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: What is in the address of a page on which one logs in, and how its title reads.
LOGIN_PATH: Final = re.compile(
    r"(log|sign)[-_]?(in|on)\b|/(auth|sso|oauth2?|openid|saml2?|session|accounts?)(/|$)",
    re.IGNORECASE,
)
LOGIN_TITLE: Final = re.compile(r"\b(log|sign)[- ]?(in|on)\b", re.IGNORECASE)
#: The longest address and the longest part of a body that a reason quotes, in characters.
QUOTED: Final = 200


class WrongAnswer(Bounded):
    """What is known of a wrong answer; after a load, its status only.

    `location` and `allow` are headers, `title` is that of a page of HTML, `quote` how its body
    begins; `csrf` is whether that names the protection against forged requests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: int
    location: str | None = None
    allow: str | None = None
    csrf: bool = False
    title: str | None = None
    quote: str = ""


def _always(_answer: WrongAnswer, _request: Request) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of wrong answers: which they are, what they mean, and what to do.

    `says` and `remedy` may name {method}, {path}, {location} and {allow}. `quotes`: whether how the
    body begins says more.
    """

    statuses: frozenset[int]
    says: str
    remedy: str
    where: Callable[[WrongAnswer, Request], bool] = _always
    quotes: bool = False


def _leads_to_login(answer: WrongAnswer, _: Request) -> bool:
    host = urlsplit(answer.location or "").netloc.replace(".", "/")
    return bool(LOGIN_PATH.search(f"/{host}{_path(answer)}"))


def _leads_to_https(answer: WrongAnswer, request: Request) -> bool:
    scheme = urlsplit(answer.location or "").scheme
    return scheme == "https" and _path(answer) == urlsplit(request.path).path


def _leads_to_slash(answer: WrongAnswer, request: Request) -> bool:
    return _path(answer) == f"{urlsplit(request.path).path}/"


def _path(answer: WrongAnswer) -> str:
    return urlsplit(answer.location or "").path


LOGIN_REMEDY: Final = (
    "set `request.headers` to what a user who is logged in sends (`Cookie: {{command: …}}`, "
    "`Authorization: …`), or `request.path` to one that needs no login"
)
#: The first that fits is the one.
KINDS: Final = (
    Kind(
        statuses=REDIRECTS,
        where=_leads_to_login,
        says="{method} {path} redirects to {location}, which looks like a login",
        remedy=LOGIN_REMEDY,
    ),
    Kind(
        statuses=REDIRECTS,
        where=_leads_to_https,
        says="{method} {path} redirects to https",
        remedy="set `request.headers: {{X-Forwarded-Proto: https}}` if the application trusts a "
        "proxy, or switch its redirection off",
    ),
    Kind(
        statuses=REDIRECTS,
        where=_leads_to_slash,
        says="{method} {path} redirects to the same path with a slash",
        remedy="add the slash to `request.path`",
    ),
    Kind(
        statuses=REDIRECTS,
        where=lambda answer, _: answer.location is not None,
        says="{method} {path} redirects to {location}",
        remedy="set `request.path` to where it leads, or `response.status` to what is right",
    ),
    Kind(
        statuses=REDIRECTS,
        says="{method} {path} redirects, perhaps to a login",
        remedy="set `request.headers` or `request.path`, or `response.status` to what is right",
    ),
    Kind(
        statuses=frozenset({400, 403, 419}),
        where=lambda answer, _: answer.csrf,
        says="the application asks for a CSRF token",
        remedy="send it in `request.headers` (`X-CSRFToken: {{command: …}}`, with the session's "
        "cookie), or switch the check off for the load (Flask-WTF: WTF_CSRF_ENABLED = False)",
        quotes=True,
    ),
    Kind(
        statuses=frozenset({400}),
        says="the application does not understand the request",
        remedy="set `request.json`, `request.form` or `request.headers` to what it expects",
        quotes=True,
    ),
    Kind(
        statuses=frozenset({401, 407}),
        says="{method} {path} needs authentication",
        remedy=LOGIN_REMEDY,
    ),
    Kind(
        statuses=frozenset({403}),
        says="{method} {path} is forbidden: authentication is missing, or has no such right",
        remedy=LOGIN_REMEDY,
        quotes=True,
    ),
    Kind(
        statuses=frozenset({404}),
        says="the application has nothing at {path}",
        remedy="set `request.path` to one that it has",
    ),
    Kind(
        statuses=frozenset({405}),
        says="{path} does not take {method}{allow}",
        remedy="set `request.method`, or `request.path`",
    ),
    Kind(
        statuses=frozenset({411, 413, 415, 422}),
        says="the application does not take this body",
        remedy="set `request.json`, `request.form` or `request.body`, and its type by "
        "`request.headers: {{Content-Type: …}}`",
        quotes=True,
    ),
    Kind(
        statuses=frozenset({429}),
        says="a rate limit: the application refuses so many requests",
        remedy="switch it off for the load (Flask-Limiter: RATELIMIT_ENABLED = False), or send "
        "less by `load.rate`",
    ),
    Kind(
        statuses=frozenset({500}),
        says="the application failed",
        remedy="the server's log says why",
        quotes=True,
    ),
    Kind(
        statuses=frozenset({502, 503, 504}),
        says="what the application depends on does not answer, or it says that it is not ready",
        remedy="see its `services` and `environment`",
        quotes=True,
    ),
    Kind(
        statuses=frozenset(range(200, 300)),
        where=lambda answer, _: bool(LOGIN_TITLE.search(answer.title or "")),
        says="{method} {path} answers with a login",
        remedy=LOGIN_REMEDY,
        quotes=True,
    ),
)


def kind_of(answer: WrongAnswer, request: Request) -> Kind | None:
    """The kind of a wrong answer, None where its status says nothing."""
    fitting = (k for k in KINDS if answer.status in k.statuses and k.where(answer, request))
    return next(fitting, None)


def meaning(answer: WrongAnswer, request: Request) -> str | None:
    """What a wrong answer means and what to do, None where its status says nothing."""
    kind = kind_of(answer, request)
    if kind is None:
        return None
    names = {
        "method": request.method,
        "path": request.path,
        "location": one_line(answer.location or "")[:QUOTED],
        "allow": f", but {answer.allow[:QUOTED]}" if answer.allow else "",
    }
    said = kind.says.format(**names)
    if kind.quotes and (shown := shown_of(answer)):
        said += f" ({shown})"
    return f"{said}; {kind.remedy.format(**names)}"


def shown_of(answer: WrongAnswer) -> str:
    """The title of a page, or else how the body begins; empty where there is no body."""
    if answer.title:
        return f"its page is {answer.title!r}"
    return f"it says {answer.quote[:QUOTED]!r}" if answer.quote.strip() else ""


def is_deliberate(status: int | None) -> bool:
    """Whether the application chose to answer so, rather than failed."""
    return status is not None and 300 <= status < 500
