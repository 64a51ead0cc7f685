"""The usual suspects behind a YAML error.

A YAML parser says where it stopped, and in its own words; a reader wants to know what is wrong and
what to write instead. Lines and columns count from 0 here, as in the parser's marks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_KEY = r"[\w$][\w$.{}+ -]*"
_OPENING = {"]": "[", "}": "{"}
_CLOSING = {"[": "]", "{": "}"}
_KINDS = {"[": "list", "{": "mapping"}
_LAYOUT = "write a list (every item with `-`) or a mapping (every item with a key)"


class Mark(NamedTuple):
    """A place in a text."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """What is probably wrong: where, how many characters of it, what to write; a second place."""

    message: str
    at: Mark
    length: int = 1
    help: str = ""
    second: Mark | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the parser stopped and why, and where what it was reading began."""

    problem: str
    at: Mark
    begun: Mark | None
    lines: list[str]

    @property
    def line(self) -> str:
        return self.lines[self.at.line]

    @property
    def before(self) -> str:
        """The line up to where the parser stopped."""
        return self.line[: self.at.column]

    @property
    def letter(self) -> str:
        """The character at which it stopped, none at the end of the text."""
        return self.line[self.at.column : self.at.column + 1]

    @property
    def first(self) -> Mark:
        """The first character of its line."""
        return Mark(self.at.line, indentation(self.line))

    def above(self) -> int | None:
        """The number of the nearest line above with something in it."""
        numbers = range(self.at.line - 1, -1, -1)
        return next((n for n in numbers if self.lines[n].split("#")[0].strip()), None)


def indentation(line: str) -> int:
    """The column at which a line begins, a dash in it counted as what stands there."""
    return len(line) - len(line.lstrip())


def suspect(stop: Stop) -> Suspect:
    """What is wrong where a parser stopped; its own words, if that is none of the usual things."""
    for rule in _RULES:
        found = rule(stop)
        if found is not None:
            return found
    return Suspect(f"the file is not YAML: {stop.problem}", stop.at)


def _tab(stop: Stop) -> Suspect | None:
    column = stop.line[: indentation(stop.line)].find("\t")
    if column < 0:
        return None
    help = "indent with spaces: YAML does not allow tabs"
    return Suspect("a tab in the indentation", Mark(stop.at.line, column), help=help)


def _quote(stop: Stop) -> Suspect | None:
    """A quote that is never closed, or closed too early."""
    if "end of stream" in stop.problem and stop.begun is not None:
        help = "write the same quote where the text ends"
        return Suspect("this quote is not closed", stop.begun, help=help)
    if "expected key" in stop.problem and stop.before.rstrip()[-1:] in ("'", '"'):
        help = "quote the whole text; inside '...' a quote is written twice"
        return Suspect("the text goes on after its closing quote", stop.at, help=help)
    return None


def _colon(stop: Stop) -> Suspect | None:
    """A key without a colon, or without a space after it."""
    if "expected ':'" in stop.problem and stop.begun is not None:
        return _no_key(stop.begun.line, stop.lines)
    if "mapping values" not in stop.problem or ": " in stop.before:
        return None
    above = stop.above()
    same = above is not None and indentation(stop.lines[above]) == stop.first.column
    return _no_key(above, stop.lines) if same and above is not None else None


def _no_key(number: int, lines: list[str]) -> Suspect:
    """What a line lacks that should begin with a key."""
    text, at = lines[number].strip(), Mark(number, indentation(lines[number]))
    dash = re.fullmatch(r"-(\w.*)", text)
    if dash:
        return Suspect("no space after `-`", at, help=f"write `- {dash[1]}`")
    pair = re.fullmatch(rf"((?:- )?{_KEY}?):(\S.*)", text)
    if pair:
        help = f"write `{pair[1]}: {pair[2]}`"
        return Suspect(f"`{text}` has no space after its colon", at, len(text), help)
    begun = re.fullmatch(rf"((?:- )?{_KEY}?) +([\[{{].*)", text)
    if begun:
        help = f"write `{begun[1]}: {begun[2]}`"
        message = f"a colon is missing after `{begun[1].removeprefix('- ')}`"
        return Suspect(message, at, len(text), help)
    help = f"write `{text}: ...`, or a list whose items begin with `- `"
    return Suspect(f"`{text}` is no key: a colon is missing", at, len(text), help)


def _colon_in_text(stop: Stop) -> Suspect | None:
    key = re.match(rf"\s*(?:- )*({_KEY}?): ", stop.before)
    if "mapping values" not in stop.problem or not key:
        return None
    help = f"put the text in quotes, or below `{key[1]}: >-`"
    verb = re.fullmatch(r"(\w+) +(\{.*\}) *", stop.line[key.end() :])
    if verb:
        at, help = Mark(stop.at.line, key.end()), f"write `{{{verb[1]}: {verb[2]}}}`"
        return Suspect(f"a colon is missing after `{verb[1]}`", at, len(verb[0].rstrip()), help)
    message, begin = "text with a colon and a space needs quotes", Mark(stop.at.line, key.end())
    return Suspect(message, stop.at, 1, help, begin, "the text begins here")


def _indentation(stop: Stop) -> Suspect | None:
    """A line that begins where nothing above it does, or with another kind of item."""
    words = ("mapping values", "expected key", "'-' indicator")
    starts = not stop.before.strip() or "mapping values" in stop.problem
    if not starts or not any(word in stop.problem for word in words):
        return None
    beside = stop.begun is not None and stop.begun.column == stop.first.column
    if beside and stop.letter == "-":
        return Suspect("a list item among the keys of a mapping", stop.at, help=_LAYOUT)
    if beside and "'-' indicator" in stop.problem:
        return Suspect("a key among the items of a list", stop.at, help=_LAYOUT)
    help = "keys of one mapping, and items of one list, begin in the same column"
    return Suspect("the indentation of this line fits nothing above it", stop.first, help=help)


def _bracket(stop: Stop) -> Suspect | None:
    """A bracket that closes nothing, or is not closed; a comma too many or too few."""
    if "node content" in stop.problem and stop.letter == ",":
        return Suspect("a comma too many", stop.at, help="remove it")
    if "',' or" not in stop.problem or stop.begun is None:
        if stop.letter in _OPENING and "expected" in stop.problem:
            open = _open_bracket(stop.before)
            if open is not None and re.fullmatch(rf"\s*(?:- )?{_KEY}? +", stop.before[:open]):
                return _no_key(stop.at.line, stop.lines)
            if open is not None:
                return _not_closed(stop, Mark(stop.at.line, open))
            help = f"remove it, or write the `{_OPENING[stop.letter]}` that it closes"
            return Suspect(f"this `{stop.letter}` closes nothing", stop.at, help=help)
        return None
    return _inner_bracket(stop) or _comma(stop, stop.begun) or _not_closed(stop, stop.begun)


def _open_bracket(text: str) -> int | None:
    """The place of the last bracket in a line that is not closed."""
    open: list[int] = []
    for column, letter in enumerate(text):
        if letter in _CLOSING:
            open.append(column)
        elif letter in _OPENING and open:
            open.pop()
    return open[-1] if open else None


def _inner_bracket(stop: Stop) -> Suspect | None:
    """`{out: widths[row]}`: inside brackets a value ends at the next one."""
    word = re.search(rf"(?:({_KEY}?): )?([^\s,:\[{{][^,:\[{{]*)$", stop.before)
    if stop.letter not in ("[", "{") or not word:
        return None
    rest = re.match(r"(\[[^\]]*\]|\{[^}]*\}|[^,\[\]{}])*", stop.line[stop.at.column :])
    text = word[2] + (rest[0].rstrip() if rest else "")
    help = f'write `{word[1]}: "{text}"`' if word[1] else f'write `"{text}"`'
    message, start = "inside brackets a value with brackets needs quotes", word.start(2)
    return Suspect(message, Mark(stop.at.line, start), len(text), help)


def _comma(stop: Stop, begun: Mark) -> Suspect | None:
    """Two values or keys with nothing between them, in brackets that are closed later."""
    pair = re.search(r"(\S*[^\s:])\s+(\w+)$", stop.before)
    if begun.line == stop.at.line and stop.letter == ":" and pair:
        key = Mark(stop.at.line, pair.start(2))
        help = f"write `{pair[1]}, {pair[2]}: ...`"
        return Suspect(f"a comma is missing before `{pair[2]}`", key, len(pair[2]), help)
    deeper = stop.first.column > indentation(stop.lines[begun.line])
    if begun.line == stop.at.line and stop.letter not in ("", *_OPENING):
        return Suspect("a comma is missing before this", stop.at, help="write one")
    if begun.line < stop.at.line and deeper and stop.letter not in _OPENING:
        above = stop.above() or 0
        text = stop.lines[above].split(" #")[0].rstrip()
        help = f"write `{text.lstrip()},`"
        return Suspect(
            "a comma is missing at the end of this line", Mark(above, len(text)), 1, help
        )
    return None


def _not_closed(stop: Stop, begun: Mark) -> Suspect:
    bracket = stop.lines[begun.line][begun.column]
    message = f"this `{bracket}` is not closed"
    help = f"write `{_CLOSING.get(bracket, bracket)}` where the {_KINDS.get(bracket, 'text')} ends"
    if stop.letter in _OPENING:
        return Suspect(message, begun, 1, help, stop.at, f"this is a `{stop.letter}`")
    second = stop.first if stop.letter else None
    return Suspect(message, begun, 1, help, second, "the text goes on here")


def _letter(stop: Stop) -> Suspect | None:
    """A character with which no value can begin."""
    if "cannot start any token" not in stop.problem:
        return None
    help = "put the text in quotes if it is meant so"
    return Suspect("no value can begin with this character", stop.at, help=help)


def _after_value(stop: Stop) -> Suspect | None:
    if "expected key" not in stop.problem:
        return None
    help = "put the whole value in quotes, or this on a line of its own"
    return Suspect("this does not belong to the value before it", stop.at, help=help)


_RULES: tuple[Callable[[Stop], Suspect | None], ...] = (
    _tab, _quote, _colon, _colon_in_text, _indentation, _bracket, _letter, _after_value,
)  # fmt: skip
