"""Shell scripts as simple commands: enough of the shell's grammar to find what is started.

Variables are replaced by what the script and its surroundings give them. What only running the
script could tell is `UNKNOWN`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Stands in a word for what is not known: an unset variable, the output of a command.
UNKNOWN: Final = "\0"
TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r]+|\\\r?\n)
    | (?P<newline>\n)
    | (?P<heredoc><<-?[ \t]*(?P<quote>['"]?)(?P<end>\w+)(?P=quote))
    | (?P<redirection>&?[<>]{1,3}[&|]?[ \t]*[^\s;&|()]*)
    | (?P<operator>&&|\|\||;;&|;;|;&|[;&|()])
    | '(?P<single>[^']*)'
    | "(?P<double>(?:\\.|[^"\\])*)"
    | (?P<unknown>\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|`[^`]*`)
    | (?P<reference>\$\{(?:[^{}]|\$\{[^{}]*\})*\}|\$\w+|\$[@*])
    | \\(?P<escaped>.)
    | (?P<plain>[^\s'"`\\$;&|()<>]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
INSIDE = re.compile(r"(?P<name>\w+|[@*])(?:(?P<sign>:?[-=+?])(?P<word>.*))?", re.DOTALL)
QUOTED = re.compile(
    r"\\(?P<escaped>[$`\"\\\n])"
    r"|(?P<unknown>\$\((?:[^()]|\([^()]*\))*\)|`[^`]*`)"
    r"|(?P<reference>\$\{(?:[^{}]|\$\{[^{}]*\})*\}|\$\w+|\$[@*])"
)
ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.DOTALL)
#: Words before a command that belong to the script's structure.
SKIPPED: Final = frozenset({"then", "do", "!", "time", "while", "until"})
DECLARING: Final = frozenset({"export", "readonly", "declare", "local", "typeset"})


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One way through a block of a script: `if`, `case`, `function`, or a group."""

    kind: str
    block: int
    branch: int = 0


@dataclass(frozen=True, kw_only=True)
class Command:
    """A simple command, its variables replaced, and where it stands."""

    words: tuple[str, ...]
    line: int
    source: str
    branches: tuple[Branch, ...] = ()

    @property
    def text(self) -> str:
        """The command as a line, as written where something in it is not known."""
        if any(UNKNOWN in word for word in self.words):
            return " ".join(self.source.replace("\\\n", " ").split())
        return shlex.join(self.words)

    def can_precede(self, other: Command) -> bool:
        """Whether a run of the script that comes to `other` can have come through this one."""
        chosen = {branch.block: branch.branch for branch in other.branches}
        return all(
            chosen.get(own.block, own.branch) == own.branch
            and (own.block in chosen or own.kind in {"if", "group"})
            for own in self.branches
        )


@dataclass(kw_only=True)
class Script:
    """A script, read: its commands, and the variables that it sets, each with its line."""

    commands: list[Command] = field(default_factory=list)
    assigned: dict[str, tuple[str, int]] = field(default_factory=dict)


def read_script(
    text: str, variables: Mapping[str, str], arguments: Sequence[str] = (), *, line: int = 1
) -> Script:
    """The commands of a script that begins on a line of its file."""
    return _Reader(text, variables, arguments, line).read()


def words_of(text: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """The words of a text, with variables replaced and without quotes."""
    script = read_script(f": {text}", variables)  # a command, so that nothing is an assignment
    return tuple(word for command in script.commands for word in command.words)[1:]


class _Reader:
    """Reads a script from left to right."""

    def __init__(
        self, text: str, variables: Mapping[str, str], arguments: Sequence[str], line: int
    ) -> None:
        self.text = text
        self.variables = dict(variables)
        self.arguments = arguments
        self.line = line
        self.script = Script()
        self.words: list[str] = []
        self.word: str | None = None
        self.begin = (0, line)
        self.branches: list[Branch] = []
        self.blocks = 0
        self.is_function = False

    def read(self) -> Script:
        """The script."""
        position = 0
        ends: list[str] = []
        while position < len(self.text):
            match = TOKEN.match(self.text, position)
            assert match is not None  # noqa: S101 - any character is a token
            end = match.end()
            if match["plain"] and match["plain"].startswith("#") and self.word is None:
                newline = self.text.find("\n", position)
                end = newline if newline >= 0 else len(self.text)
            elif match["heredoc"]:
                self._end_word()
                ends.append(match["end"])
            elif match["newline"] and ends:
                self._token(match)
                end = self._after_bodies(end, ends)
                ends = []
            else:
                self._token(match)
            self.line += self.text.count("\n", position, end)
            position = end
        self._end_command(position)
        return self.script

    def _after_bodies(self, position: int, ends: list[str]) -> int:
        """Where the texts for a command end that follow its line."""
        for end in ends:
            body = re.compile(rf"^[ \t]*{re.escape(end)}[ \t]*(\n|\Z)", re.MULTILINE)
            match = body.search(self.text, position)
            position = match.end() if match else len(self.text)
        return position

    def _token(self, match: re.Match[str]) -> None:
        kind, position = match.lastgroup, match.start()
        if kind == "redirection" and self.word and self.word.isdecimal():
            self.word = None  # the number of a file, as in `2>&1`
        if kind in {"space", "redirection"}:
            self._end_word()
        elif kind == "newline":
            self._end_command(position)
        elif kind == "operator":
            self._operator(match["operator"], position)
        elif kind == "reference":
            self._split(self._value(match["reference"]), position)
        elif match["double"] == "$@" and self.arguments:
            for argument in self.arguments:
                self._end_word()
                self._add(argument, position)
        elif kind == "double":
            self._add(QUOTED.sub(self._quoted, match["double"]), position)
        else:
            self._add(UNKNOWN if kind == "unknown" else match[kind or 0], position)

    # -- words ---------------------------------------------------------------------------------

    def _add(self, text: str, position: int) -> None:
        if not self.words and self.word is None:
            self.begin = (position, self.line)
        self.word = (self.word or "") + text

    def _split(self, value: str, position: int) -> None:
        """A variable without quotes: its value may be several words."""
        first, *others = re.split(r"\s+", value)
        if first or others:
            self._add(first, position)
        for other in others:
            self._end_word()
            if other:
                self._add(other, position)

    def _quoted(self, match: re.Match[str]) -> str:
        if match["escaped"] is not None:
            return "" if match["escaped"] == "\n" else match["escaped"]
        return UNKNOWN if match["unknown"] else self._value(match["reference"])

    def _value(self, reference: str) -> str:
        """What a reference stands for."""
        inside = INSIDE.fullmatch(reference[1:].removeprefix("{").removesuffix("}"))
        if inside is None:
            return UNKNOWN
        name, sign, word = inside["name"], inside["sign"] or "", inside["word"] or ""
        if name in {"@", "*"}:
            return " ".join(map(shlex.quote, self.arguments)) or UNKNOWN
        value = self.variables.get(name)
        if name.isdecimal() and 0 < int(name) <= len(self.arguments):
            value = self.arguments[int(name) - 1]
        if sign.endswith("+"):
            return ""
        if value or (value is not None and ":" not in sign):
            return value
        if sign.endswith(("-", "=")):
            return QUOTED.sub(self._quoted, word.strip("\"'"))
        return UNKNOWN

    def _end_word(self) -> None:
        if self.word is None:
            return
        word, self.word = self.word, None
        if not self.words and self._is_structure(word):
            return
        self.words.append(word)
        if self.words[0] == "case" and word == "in":
            self._open("case")
        elif self.words[0] == "function" and word == "{":
            self._open("function")

    # -- structure -----------------------------------------------------------------------------

    def _is_structure(self, word: str) -> bool:
        """Whether the first word of a command is a part of the script's structure."""
        if word == "if":
            self._open("if")
        elif word in {"elif", "else"}:
            self._next_branch("if")
        elif word == "{":
            self._open("function" if self.is_function else "group")
        elif word in {"fi", "esac", "}"}:
            if self.branches:
                self.branches.pop()
        elif word not in SKIPPED:
            return False
        return True

    def _open(self, kind: str) -> None:
        self.blocks += 1
        self.branches.append(Branch(kind=kind, block=self.blocks))
        self.words, self.is_function = [], False

    def _next_branch(self, kind: str) -> None:
        if self.branches and self.branches[-1].kind == kind:
            top = self.branches[-1]
            self.branches[-1] = Branch(kind=kind, block=top.block, branch=top.branch + 1)

    def _operator(self, operator: str, position: int) -> None:
        self._end_word()
        in_case = bool(self.branches) and self.branches[-1].kind == "case"
        if operator == ")" and in_case and not self.is_function:
            self.words = []
            self._next_branch("case")
        elif operator == "(" and len(self.words) == 1:
            self.words, self.is_function = [], True
        elif operator != ")" or not self.is_function:
            self._end_command(position)

    def _end_command(self, position: int) -> None:
        self._end_word()
        words, self.words = self.words, []
        assigning = words[:1] != [] and words[0] in DECLARING
        rest = words[1:] if assigning else words
        while rest and (match := ASSIGNMENT.fullmatch(rest[0])):
            self.variables[match["name"]] = match["value"]
            self.script.assigned[match["name"]] = (match["value"], self.begin[1])
            rest = rest[1:]
        if assigning or not rest:
            return
        begin, line = self.begin
        self.script.commands.append(
            Command(
                words=tuple(rest),
                line=line,
                source=self.text[begin:position].strip(),
                branches=tuple(self.branches),
            )
        )
