"""Wrong specs out of right ones: parts of a text deleted, swapped, doubled, retyped, misspelled.

A mutant is made from the tree of a spec's YAML, whose nodes know where they stand, so it is known
where it differs from the original: its `regions`. A number says which mutant, always the same one.

After a deletion there is no changed text to point at. What differs is the mapping or list that held
it, with its key: `conv` of `conv: {kernel: 3}` without its `out`. The whole document holds a key of
the top, and would make every place right; there it is where the entry before ends and the one after
begins, and the document's first entry, where it stands that the document lacks something.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path as File
from random import Random

from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.diagnostics.sink import Sink
from archdsl.language.gallery import find, names
from archdsl.yaml.source import Path, Source, lines_of, parse

Interval = tuple[int, int]  # offsets in a text, both ends included
KINDS = ("delete", "swap", "duplicate", "retype", "misspell")
VALUES = (
    "0", "-1", "1", "3", "7", "2.5", "1e30", "1000000000", "true", "null", "relu", "conv", "wrod",
    "C", "H // 2", "C * 0.3", "1 / 0", "9 ** 9 ** 9", "\"\"", "[]", "{}", "[1, 2]", "[relu, tanh]",
    "{conv: {out: 3, kernel: 3}}", "{a: 1}", "input", "$x", "c{i}", "max(1", "(", "identity",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz_0123456789"


@dataclass(frozen=True)
class Mutant:
    """A changed spec: `regions` of `text` are what differs, `words` what was changed there."""

    path: str
    kind: str
    text: str
    regions: tuple[Interval, ...]
    words: tuple[str, ...]

    def shows(self, span: Span | None) -> bool:
        """Whether a span touches what differs."""
        if span is None or span.file != self.path:
            return False
        start, end = (
            _offset(self.text, span.line, span.column),
            _offset(self.text, span.end_line, span.end_column),
        )
        return any(start <= last and first <= end for first, last in self.regions)

    def names(self, diagnostic: Diagnostic) -> bool:
        """Whether a message mentions what was changed."""
        said = " ".join((diagnostic.message, diagnostic.help, *(x.text for x in diagnostic.labels)))
        return any(word and word in said for word in self.words)


def _offset(text: str, line: int, column: int) -> int:
    return sum(len(before) + 1 for before in lines_of(text)[: line - 1]) + column - 1


@dataclass(frozen=True)
class Entry:
    """A key with its value, or an item of a list: where it stands in the text."""

    start: int
    value: int  # where the value starts
    end: int
    flow: bool
    around: tuple[Interval, ...]  # what differs if it is gone
    siblings: int  # which container


@dataclass(frozen=True)
class Original:
    """A spec of the gallery, its parts in the order of its text."""

    path: str
    text: str
    entries: tuple[Entry, ...]


def originals() -> list[Original]:
    """The gallery."""
    return [original(find(name)) for name in names()]


def original(path: str, text: str | None = None) -> Original:
    """A spec in a file, or in a text that could stand there."""
    text = File(path).read_text(encoding="utf-8") if text is None else text
    source = parse(text, path, Sink())
    assert source is not None
    return Original(path, text, tuple(_entries(source)))


def _entries(source: Source) -> list[Entry]:
    text = source.text
    starts = [0, *accumulate(len(line) + 1 for line in lines_of(text))]
    begin: dict[Path, int] = {}
    value: dict[Path, int] = {}
    finish: dict[Path, int] = {}
    for path, span in source.spans.items():
        first = starts[span.line - 1] + span.column - 1
        end = starts[span.end_line - 1] + span.end_column - 1
        if "\n" in text[first:end]:  # text over several lines ends before the next key
            end = first + len(text[first:end].rstrip())
        quote = int(text[first - 1 : first] in ("'", '"'))
        begin[path] = value[path] = first - quote
        key = source.keys.get(path)
        if key is not None:
            start = starts[key.line - 1] + key.column - 1
            begin[path] = start - int(text[start - 1 : start] in ("'", '"'))
        for n in range(len(path) + 1):  # a block ends where the last thing in it does
            finish[path[:n]] = max(finish.get(path[:n], 0), end + quote)
    numbers = {path: n for n, path in enumerate(begin)}
    top = [path for path in begin if len(path) == 1]

    def around(path: Path) -> tuple[Interval, ...]:
        if len(path) > 1:
            return ((begin[path[:-1]], finish[path[:-1]]),)
        n = top.index(path)
        before = tuple((finish[p], finish[p]) for p in top[max(0, n - 1) : n])
        after = tuple((begin[p], begin[p]) for p in top[n + 1 : n + 2])
        return ((begin[top[0]], finish[top[0]]), *before, *after)

    return [
        Entry(
            begin[path],
            value[path],
            finish[path],
            text[value[path[:-1]]] in "{[",
            around(path),
            numbers[path[:-1]],
        )
        for path in begin
        if path
    ]


def mutant(specs: list[Original], number: int) -> Mutant:
    """The mutant of a number."""
    random = Random(number)
    while True:
        spec = random.choice(specs)
        kind = random.choice(KINDS)
        made = _MAKE[kind](spec, random.choice(spec.entries), random)
        if made is not None and made.text != spec.text:
            return made


Edit = tuple[int, int, str]  # start, end, what stands there instead


def _made(spec: Original, kind: str, words: Iterable[str], *edits: Edit) -> Mutant:
    """The text with parts replaced, in the order of the text."""
    text, regions, position = "", [], 0
    for start, end, new in edits:
        text += spec.text[position:start]
        blank = 0 if new else len(text) - len(text.rstrip(" "))  # of a value that is gone
        regions.append((len(text) - blank, len(text) + len(new)))
        text, position = text + new, end
    return Mutant(spec.path, kind, text + spec.text[position:], tuple(regions), tuple(words))


def _key(text: str) -> str:
    """The key of an entry, or its word."""
    return text.partition(":")[0].strip(" '\"{}[]")


def _delete(spec: Original, entry: Entry, random: Random) -> Mutant:
    """The entry is gone; what holds it differs. Gone are its name and those directly in it."""
    start, end = entry.start, entry.end
    gone, rest = spec.text[start:end], spec.text[end:]
    words = [_key(gone), *re.findall(r"^ {2}(\w+):", gone, re.MULTILINE)]
    if entry.flow and rest.lstrip().startswith(","):
        end += rest.index(",") + 2
    elif entry.flow and spec.text[:start].rstrip().endswith(","):
        start = spec.text.rindex(",", 0, start)
    elif not entry.flow and not spec.text[:start].rpartition("\n")[2].strip(" -"):
        start = spec.text.rfind("\n", 0, start) + 1
        end = spec.text.find("\n", end) + 1 or len(spec.text)
    made = _made(spec, "delete", words, (start, end, ""))

    def left(offset: int) -> int:
        return max(start, offset - (end - start)) if offset > start else offset

    around = ((left(a), len(made.text[: left(b)].rstrip())) for a, b in entry.around)
    return replace(made, regions=tuple((first, max(first, last)) for first, last in around))


def _duplicate(spec: Original, entry: Entry, random: Random) -> Mutant | None:
    """The entry stands twice."""
    text = spec.text[entry.start : entry.end]
    between = ", "
    if not entry.flow:
        between = "\n" + spec.text[spec.text.rfind("\n", 0, entry.start) + 1 : entry.start]
        if between.strip(" -\n"):
            return None
    return _made(spec, "duplicate", [_key(text)], (entry.start, entry.end, text + between + text))


def _swap(spec: Original, entry: Entry, random: Random) -> Mutant | None:
    """Two entries of one container in each other's places."""
    others = [e for e in spec.entries if e.siblings == entry.siblings and e is not entry]
    if not others:
        return None
    first, second = sorted((entry, random.choice(others)), key=lambda e: e.start)
    one, two = spec.text[first.start : first.end], spec.text[second.start : second.end]
    edits = (first.start, first.end, two), (second.start, second.end, one)
    return _made(spec, "swap", [_key(one), _key(two)], *edits)


def _retype(spec: Original, entry: Entry, random: Random) -> Mutant:
    """Another value."""
    new = random.choice(VALUES)
    words = [_key(spec.text[entry.start : entry.end]), new]
    return _made(spec, "retype", words, (entry.value, entry.end, new))


def _misspell(spec: Original, entry: Entry, random: Random) -> Mutant | None:
    """A letter of a key or word missing, doubled, replaced or swapped with the next."""
    start, end = entry.value, entry.end
    if entry.value > entry.start and random.random() < 0.5:
        start, end = entry.start, spec.text.index(":", entry.start, entry.value)
    old = spec.text[start:end]
    if not old or "\n" in old or old[0] in "{[":
        return None
    at = random.randrange(len(old))
    before, letter, after = old[:at], old[at], old[at + 1 :]
    new = random.choice(
        (
            before + after,
            before + letter * 2 + after,
            before + random.choice(LETTERS) + after,
            before + after[:1] + letter + after[1:],
        )
    )
    return _made(spec, "misspell", [_key(old), _key(new)], (start, end, new))


_MAKE: dict[str, Callable[[Original, Entry, Random], Mutant | None]] = {
    "delete": _delete,
    "swap": _swap,
    "duplicate": _duplicate,
    "retype": _retype,
    "misspell": _misspell,
}
