"""What is asked of the server, over and over, and which answers are right."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runner.application.secret_values import Secrets
from runner.contract import BODY
from runner.matrix.application import BODILESS, Header, Request, Response

CONTENT_TYPE: Final = "Content-Type"


@dataclass(frozen=True, kw_only=True)
class Right:
    """The right answers, as far as a server's records tell: by status and length of the body.

    `length` is in bytes, None where it is not judged. `has_bodies`: whether answers have any.
    """

    statuses: frozenset[int]
    length: int | None
    has_bodies: bool = True

    def is_right(self, status: int, length: int) -> bool:
        """Whether an answer of this status, with a body of so many bytes, is a right one."""
        return status in self.statuses and not self.is_wrong_length(status, length)

    def is_wrong_length(self, status: int, length: int) -> bool:
        """Whether an answer of this status must have another length."""
        return self.length is not None and status not in BODILESS and length != self.length

    def sent_bytes(self, status: int, length: int) -> int:
        """How many bytes of a body a client gets, where the application returned so many."""
        return length if self.has_bodies and status not in BODILESS else 0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request and its right answer. `header_values` and `body` are secret.

    `header_values` are the values of headers by name where they differ from what the matrix file
    says, `body` and `content_type` what is sent where that is not in `request` itself.
    """

    request: Request = field(default_factory=Request)
    response: Response = field(default_factory=Response)
    header_values: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    content_type: str | None = None

    @property
    def commands(self) -> tuple[Header, ...]:
        """The headers whose value a command prints, in the server's container."""
        return tuple(header for header in self.request.headers if header.command is not None)

    def values(self, printed: Mapping[str, str]) -> dict[str, str]:
        """The value of each header, with those that commands printed."""
        written = {header.name: header.value or "" for header in self.request.headers}
        return {**written, **self.header_values, **printed}

    @property
    def right(self) -> Right:
        """The right answers by status and length."""
        has_bodies = self.request.method != "HEAD"
        exact = self.response.body if has_bodies else None
        return Right(
            statuses=frozenset(self.response.statuses),
            length=None if exact is None else len(exact.encode()),
            has_bodies=has_bodies,
        )

    @property
    def has_fixed_length(self) -> bool:
        """Whether all right answers are equally long, so that status and length tell them."""
        statuses, body = set(self.response.statuses), self.response.body
        if self.request.method == "HEAD" or statuses <= BODILESS or body == "":
            return True
        return body is not None and not statuses & BODILESS

    def config(self, printed: Mapping[str, str]) -> dict[str, Any]:
        """What the agent is told of it; `printed` are the values that commands printed."""
        body = self.request.body if self.body is None else self.body
        headers = [[name, value] for name, value in self.values(printed).items()]
        kind = self.content_type or self.request.content_type
        if kind and body is not None and not self._names_a_type:
            headers.append([CONTENT_TYPE, kind])
        return {
            "request": {
                "method": self.request.method,
                "path": self.request.path,
                "headers": headers,
                "body": None if body is None else base64.b64encode(body).decode(),
            },
            "response": {
                "statuses": [*self.response.statuses],
                "body": self.response.body,
                "contains": self.response.contains,
                "matches": self.response.matches,
                "json": self.response.json,
            },
            "fixed_length": self.has_fixed_length,
        }

    @property
    def _names_a_type(self) -> bool:
        return any(h.name.lower() == CONTENT_TYPE.lower() for h in self.request.headers)

    def secrets(self, printed: Mapping[str, str]) -> Secrets:
        """What of it must not be seen: values of headers, also without what is before them.

        That is the word `Bearer` of a token, or a cookie's name. And the body.
        """
        values = set(self.values(printed).values())
        for value in [*values]:
            values.add(value.partition(" ")[2])
            values |= {part.partition("=")[2].strip() for part in value.split(";")}
        body = self.request.body if self.body is None else self.body
        if body is not None:
            values.add(body.decode("utf-8", "replace"))
        return Secrets(values=frozenset(values))


#: What our own workloads are asked, and answer.
WORKLOAD: Final = Asked(response=Response(body=BODY))
