"""Diagnostics for other programs: JSON, SARIF 2.1.0, and annotations of GitHub's workflows."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.diagnostics.report import concise, file_name, full, printable

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_json(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], color: bool = False
) -> str:
    """A list of objects; lines and columns count from 1, ends are exclusive."""
    records = [
        {
            "code": d.code,
            "severity": d.severity,
            "message": d.message,
            "help": d.help,
            "span": _span_record(d.span),
            "labels": [
                {"text": label.text, "span": _span_record(label.span)} for label in d.labels
            ],
        }
        for d in diagnostics
    ]
    return json.dumps(records, indent=1) + "\n"


def _span_record(span: Span | None) -> dict[str, Any] | None:
    return asdict(span) | {"file": file_name(span.file)} if span else None


def sarif(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], color: bool = False
) -> str:
    """A log with one run, as code scanning services take it."""
    codes = sorted({d.code for d in diagnostics})
    rules = [{"id": code, "shortDescription": {"text": CODES[code]}} for code in codes]
    results = [
        {
            "ruleId": d.code,
            "ruleIndex": codes.index(d.code),
            "level": d.severity,
            "message": _sarif_text(_with_help(d)),
            "locations": [_sarif_location(d.span)] if d.span else [],
            "relatedLocations": [
                _sarif_location(label.span) | {"message": _sarif_text(label.text)}
                for label in d.labels
            ],
        }
        for d in diagnostics
    ]
    run = {
        "tool": {"driver": {"name": "archdsl", "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _sarif_text(text: str) -> dict[str, str]:
    """A message; `[text](target)` would be a link in it (section 3.11.6)."""
    return {"text": text.replace("](", "] (")}


def _sarif_location(span: Span) -> dict[str, Any]:
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    name = file_name(span.file)
    uri = Path(name).as_uri() if os.path.isabs(name) else quote(name.replace(os.sep, "/"))
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


def github(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], color: bool = False
) -> str:
    """A workflow command each, which GitHub shows beside the lines of a pull request."""
    lines = []
    for d in diagnostics:
        settings = ",".join(f"{name}={value}" for name, value in _github_settings(d))
        lines.append(f"::{d.severity} {settings}::{_github_escaped(_with_help(d))}\n")
    return "".join(lines)


def _github_settings(d: Diagnostic) -> Iterator[tuple[str, str | int]]:
    """The title and the place; GitHub takes columns only within one line."""
    yield "title", d.code
    if d.span is None:
        return
    name = _github_escaped(file_name(d.span.file))
    yield "file", name.replace(":", "%3A").replace(",", "%2C")
    yield "line", d.span.line
    yield "endLine", d.span.end_line
    if d.span.line == d.span.end_line:
        yield "col", d.span.column
        yield "endColumn", d.span.end_column


def _github_escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _with_help(d: Diagnostic) -> str:
    """The message and, on a line of its own, the help."""
    return "\n".join(printable(part) for part in (d.message, d.help and f"help: {d.help}") if part)


Format = Callable[[Sequence[Diagnostic], Mapping[str, str], bool], str]
FORMATS: dict[str, Format] = {
    "full": full,
    "concise": concise,
    "json": to_json,
    "sarif": sarif,
    "github": github,
}
