"""The corpus of wrong specs: each says in a comment at its end what is wrong with it, and where.

The block begins with the command, with the options that it needs. Every diagnostic is a line
`line:column code message`, followed by its help and its labels, indented. All of it is exact: no
diagnostic may be missing, none may be added.
"""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from archdsl.api.reading import Reading, read
from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.lint.rules import DEFAULT, LINTS
from archdsl.yaml.limits import Limits

FOLDER = Path(__file__).parents[1] / "bad"
SPECS = sorted(FOLDER.glob("*.yaml"))
COMMAND = "\n# archdsl check "


def expected(spec: Path) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The lines of a spec's block, and the options of the command by name."""
    text = spec.read_text(encoding="utf-8", errors="replace")
    command, *lines = text[text.rindex(COMMAND) + len(COMMAND) :].splitlines()
    *options, said = shlex.split(command)
    assert said == "says"
    settings: dict[str, dict[str, str]] = {"--set": {}, "--scale": {}, "--limit": {}}
    if "--pedantic" in options:
        options.remove("--pedantic")
        settings["--pedantic"] = {}
    for option, pair in zip(options[::2], options[1::2], strict=True):
        name, _, value = pair.partition("=")
        settings[option][name] = value
    return [line.removeprefix("# ") for line in lines], settings


def shown(diagnostic: Diagnostic, spec: Path) -> Iterator[str]:
    """A diagnostic as the corpus writes it."""
    yield f"{place(diagnostic.span, spec)} {diagnostic.code} {diagnostic.message}"
    if diagnostic.help:
        yield f"  help: {diagnostic.help}"
    for label in diagnostic.labels:
        yield f"  {place(label.span, spec)} {label.text}"


def place(span: Span | None, spec: Path) -> str:
    assert span is not None
    file = Path(span.file)
    name = "" if file == spec else f"{file.parent.name}/{file.name}:".removeprefix("/")
    return f"{name}{span.line}:{span.column}"


def read_as(spec: Path, options: Mapping[str, dict[str, str]]) -> Reading:
    """The spec as the command `check` reads it with these options."""
    limits = Limits().override(options["--limit"])
    lints = LINTS.keys() if "--pedantic" in options else DEFAULT
    return read(spec, options["--set"], options["--scale"], limits, lints)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_a_wrong_spec_gets_the_messages_it_should(spec: Path) -> None:
    lines, options = expected(spec)
    reading = read_as(spec, options)
    found = [line for diagnostic in reading.diagnostics for line in shown(diagnostic, spec)]
    assert [line.replace(f"{FOLDER}/", "").replace(str(FOLDER), "bad") for line in found] == lines
    errors = any(diagnostic.severity == "error" for diagnostic in reading.diagnostics)
    assert (reading.graph is None) == errors


def test_every_code_has_two_wrong_specs() -> None:
    seen = Counter(
        code for spec in SPECS for code in {line.split()[1] for line in _primary(expected(spec)[0])}
    )
    assert {code: seen[code] for code in CODES if seen[code] < 2} == {}


def _primary(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith(" ")]
