"""What a help says to write can be written: pasted into a wrong spec, it takes the error away."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from archdsl.api.reading import Reading
from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.diagnostics.sink import Sink
from archdsl.yaml.source import parse
from tests.diagnostics.test_bad import SPECS, expected, read_as
from tests.fuzz.mutations import Entry, original

# A help that gives what to write, and how what it gives begins; `...` is for the user to say.
GIVES = re.compile(
    r"(?:did you mean|write|round it:|declare it(?: there)?:|project the shortcut:|quotes:"
    r"|brackets:|a list is:|name the network:|is given:|begin the file with|come first:|no part:"
    r"|part of it:|too:|need different names:|say the padding:|even parts are|the columns:) (.+)"
)
WORDS = {  # specs whose help says in words what to do, and shows only the shape of it
    "E0103-brace-not-closed", "E0103-bracket-not-closed", "E0103-bracket-too-many",
    "E0103-comma-missing", "E0103-key-in-list", "E0103-list-in-mapping", "E0103-quote-not-closed",
    "E0107-tuple-key", "E0203-branches-list",
    "E0204-branches-as-a-name", "E0204-inherited-section", "E0204-no-verb",
    "E0204-number-item", "E0204-stage-without-seq", "E0204-verbs-as-names", "E0205-named-in-list",
    "E0401-body-and-shortcut", "E0404-concat-of-one",
    "E0106-mistakes", "E0205-mbconv", "several-mistakes",  # of which one hides another
}  # fmt: skip
HERE = [spec for spec in SPECS if spec.stem not in WORDS]


def given(help: str) -> Iterator[str]:
    """What a help gives to write: what stands in `...`, or the rest of its sentence."""
    found = GIVES.search(help)
    if found:
        yield from (word.replace("...", "3") for word in re.findall("`([^`]+)`", found[0]))
        yield found[1].replace("...", "3")
        for piece in re.split(r", (?![^\[{(]*[\]})])| or ", found[1]):
            yield piece.replace("...", "3")


def offset(text: str, line: int, column: int) -> int:
    return sum(len(before) + 1 for before in text.split("\n")[: line - 1]) + column - 1


def pasted(text: str, span: Span, new: str) -> Iterator[str]:
    """The text with something in the place of a span, or of what is around it, or added there."""
    start, end = offset(text, span.line, span.column), offset(text, span.end_line, span.end_column)
    yield text[:start] + new + text[end:]
    yield text[:start] + new.partition(": ")[2] + text[end:]
    yield f"{text}\n{new}\n"
    if parse(text, span.file, Sink()) is None:
        return
    around = [e for e in original(span.file, text).entries if e.start <= start and end <= e.end]
    for entry in sorted(around, key=lambda entry: entry.end - entry.start)[:3]:
        yield text[: entry.start] + new + text[entry.end :]
        yield text[: entry.value] + new + text[entry.end :]
        yield added(text, entry, new)


def added(text: str, entry: Entry, new: str) -> str:
    """The text with something as the first thing in an entry that holds some."""
    if text[entry.value] == "{":
        return f"{text[: entry.value + 1]}{new}, {text[entry.value + 1 :]}".replace(", }", "}")
    indent = " " * (entry.value - text.rfind("\n", 0, entry.value) - 1)
    return f"{text[: entry.value]}{new}\n{indent}{text[entry.value :]}"


def read_text(spec: Path, text: str, folder: Path) -> Reading:
    """What is said of another text in the place of a spec, whose neighbours it has."""
    for link in ("base",):
        if not (folder / link).exists():
            (folder / link).symlink_to(spec.parent / link)
    (folder / spec.name).write_text(text, encoding="utf-8")
    return read_as(folder / spec.name, expected(spec)[1])


def errors(diagnostics: list[Diagnostic]) -> set[tuple[str, str]]:
    return {(d.code, d.message) for d in diagnostics if d.severity == "error"}


def mended(spec: Path, text: str, folder: Path, wrong: Diagnostic, before: Reading) -> bool:
    """Whether something that the help gives takes a diagnostic away, and brings no error."""
    assert wrong.span is not None
    places = [wrong.span, *(label.span for label in wrong.labels)]
    spans = [place for place in places if place.file == wrong.span.file]
    for changed in (t for new in given(wrong.help) for s in spans for t in pasted(text, s, new)):
        after = read_text(spec, changed, folder).diagnostics
        gone = all((d.code, d.message) != (wrong.code, wrong.message) for d in after)
        if gone and errors(after) <= errors(before.diagnostics):
            return True
    return False


@pytest.mark.parametrize("spec", HERE, ids=lambda spec: spec.stem)
def test_what_a_help_gives_to_write_takes_the_error_away(spec: Path, tmp_path: Path) -> None:
    text = spec.read_text(encoding="utf-8", errors="replace")
    before = read_text(spec, text, tmp_path)
    for wrong in before.diagnostics:
        here = wrong.span is not None and Path(wrong.span.file).name == spec.name
        if here and any(given(wrong.help)):
            assert mended(spec, text, tmp_path, wrong, before), wrong.help
