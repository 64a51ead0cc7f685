"""Diagnostics for other programs; `sarif-2.1.0.json` is the schema that OASIS publishes."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import jsonschema
import pytest

from archdsl.cli.main import run
from archdsl.diagnostics.diagnostic import Diagnostic, Label, Span
from archdsl.diagnostics.formats import FORMATS, github, sarif, to_json
from tests.support import write

SCHEMA = json.loads((Path(__file__).parents[1] / "sarif-2.1.0.json").read_text(encoding="utf-8"))
NASTY = [
    "two\nlines",
    "::error title=x::forged",
    "\n::error::forged",
    "100%, a:b, %0A",
    "[a link](https://example.org)",
    '"quoted" \\ </script>',
    "\x00\x1b[31m\u202eright to left\ud800",
    "long " * 5000,
]
FORGED = ["spec.yaml", "a b/ä%.yaml", "x,line=1::y.yaml", "/elsewhere/[x](y).yaml", "--set a=b"]


def at(line: int, column: int, length: int, file: str = "tiny.yaml") -> Span:
    return Span(file, line, column, line, column + length)


def log(*diagnostics: Diagnostic) -> Any:
    """What SARIF says of diagnostics, valid by the schema."""
    found = json.loads(sarif(diagnostics, {}))
    jsonschema.validate(found, SCHEMA)
    (run,) = found["runs"]
    assert len(run["results"]) == len(diagnostics)
    return run


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Workflow commands as GitHub reads them: the command, its properties, its message."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
        assert match is not None, line
        settings = dict(setting.split("=", 1) for setting in match[2].split(","))
        found.append((match[1], {k: unquote(v) for k, v in settings.items()}, unquote(match[3])))
    return found


def test_json_holds_everything() -> None:
    diagnostic = Diagnostic("E0501", "no", at(4, 11, 3), (Label(at(5, 3, 4), "so"),), "project")
    span = {"file": "tiny.yaml", "line": 4, "column": 11, "end_line": 4, "end_column": 14}
    other = {"file": "tiny.yaml", "line": 5, "column": 3, "end_line": 5, "end_column": 7}
    assert json.loads(to_json([diagnostic], {})) == [
        {
            "code": "E0501",
            "severity": "error",
            "message": "no",
            "help": "project",
            "span": span,
            "labels": [{"text": "so", "span": other}],
        }
    ]
    assert json.loads(to_json([], {})) == []


def test_sarif_holds_everything() -> None:
    place, other = at(4, 11, 3, "a b.yaml"), at(5, 3, 4)
    found = log(
        Diagnostic("E0501", "no", place, (Label(other, "so"),), "project"),
        Diagnostic("W0102", "hm", place, severity="warning"),
        Diagnostic("E0501", "nowhere"),
    )
    assert [rule["id"] for rule in found["tool"]["driver"]["rules"]] == ["E0501", "W0102"]
    first, second, third = found["results"]
    assert first["level"] == "error" and first["message"]["text"] == "no\nhelp: project"
    where = first["locations"][0]["physicalLocation"]
    assert where["artifactLocation"]["uri"] == "a%20b.yaml"
    assert where["region"] == {"startLine": 4, "startColumn": 11, "endLine": 4, "endColumn": 14}
    assert first["relatedLocations"][0]["message"]["text"] == "so"
    assert (second["ruleId"], second["ruleIndex"], second["level"]) == ("W0102", 1, "warning")
    assert third["locations"] == []


def test_a_log_without_results_is_valid() -> None:
    assert log()["results"] == []


def test_github_gets_a_command_each() -> None:
    several = Span("tiny.yaml", 4, 11, 6, 2)
    diagnostics = [
        Diagnostic("E0501", "no", at(4, 11, 3), help="project"),
        Diagnostic("W0102", "hm", several, severity="warning"),
        Diagnostic("E0501", "nowhere"),
    ]
    assert github(diagnostics, {}).splitlines() == [
        "::error title=E0501,file=tiny.yaml,line=4,endLine=4,col=11,endColumn=14"
        "::no%0Ahelp: project",
        "::warning title=W0102,file=tiny.yaml,line=4,endLine=6::hm",
        "::error title=E0501::nowhere",
    ]


@pytest.mark.parametrize("file", FORGED)
@pytest.mark.parametrize("text", NASTY)
def test_no_text_breaks_out_of_its_place(text: str, file: str) -> None:
    diagnostic = Diagnostic("E0205", text, at(1, 2, 3, file), (Label(at(1, 1, 1, file), text),))
    result = log(diagnostic)["results"][0]
    assert "](" not in result["message"]["text"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(urlparse(uri).path) == file and re.fullmatch(r"[!-~]+", uri)
    ((command, settings, message),) = commands(github([diagnostic], {}))
    assert command == "error"
    assert (settings["file"], settings["line"], settings["title"]) == (file, "1", "E0205")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e\ud800]", message)
    (record,) = json.loads(to_json([diagnostic], {}))
    assert (record["message"], record["span"]["file"]) == (text, file)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_can_be_asked_for(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, wrong="archdsl: 1\nname: net\ninput: [3, 8, 8]\nbackbone: [rleu]\n")
    assert run(["check", "--format", format, "wrong.yaml"]) == 1
    out = capsys.readouterr().out
    assert "E0205" in out and "wrong.yaml" in out and "rleu" in out
