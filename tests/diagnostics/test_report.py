"""What a reader sees of diagnostics."""

from pathlib import Path

import pytest

from archdsl.diagnostics.diagnostic import Diagnostic, Label, Span
from archdsl.diagnostics.report import WIDTH, concise, count, full

SPEC = """\
archdsl: 1
name: tiny
backbone:
  conv1: {con: {out: 8, kernel: 3}}
  relu: relu
  head: {linear: {out: 10}}
"""


def at(line: int, column: int, length: int, file: str = "tiny.yaml") -> Span:
    return Span(file, line, column, line, column + length)


def shown(source: str, diagnostic: Diagnostic) -> str:
    return full([diagnostic], {"tiny.yaml": source})


def underlined(source: str, span: Span) -> str:
    """The part of the source line above the carets, by column."""
    lines = shown(source, Diagnostic("E0205", "wrong", span)).splitlines()
    number = next(n for n, line in enumerate(lines) if set(line.split("| ")[-1].strip()) == {"^"})
    start, end = lines[number].index("^"), lines[number].rindex("^") + 1
    return lines[number - 1][start:end]


def test_an_error_shows_its_line_a_caret_and_what_to_write() -> None:
    diagnostic = Diagnostic(
        "E0205", "unknown verb `con`", at(4, 11, 3), help="did you mean `conv`?"
    )
    assert (
        shown(SPEC, diagnostic)
        == """\
error[E0205]: unknown verb `con`
 --> tiny.yaml:4:11
  |
4 |   conv1: {con: {out: 8, kernel: 3}}
  |           ^^^
  |
  = help: did you mean `conv`?

1 error in 1 file
"""
    )


def test_labels_show_the_lines_they_name_in_the_order_of_the_file() -> None:
    labels = (Label(at(4, 3, 5), "conv1 gives 8x4x4"), Label(at(5, 3, 4), "relu too"))
    diagnostic = Diagnostic("E0502", "linear needs a vector", at(12, 10, 6), labels)
    assert (
        shown(SPEC.replace("  head", "\n" * 6 + "  head"), diagnostic)
        == """\
error[E0502]: linear needs a vector
  --> tiny.yaml:12:10
   |
 4 |   conv1: {con: {out: 8, kernel: 3}}
   |   ----- conv1 gives 8x4x4
 5 |   relu: relu
   |   ---- relu too
...
12 |   head: {linear: {out: 10}}
   |          ^^^^^^

1 error in 1 file
"""
    )


def test_a_label_in_the_line_of_the_error_stands_below_the_caret() -> None:
    diagnostic = Diagnostic(
        "E0105", "`out` twice", at(4, 17, 3), (Label(at(4, 3, 5), "in this item"),)
    )
    lines = shown(SPEC, diagnostic).splitlines()
    assert lines[3:6] == [
        "4 |   conv1: {con: {out: 8, kernel: 3}}",
        "  |                 ^^^",
        "  |   ----- in this item",
    ]


def test_a_label_in_another_file_names_that_file() -> None:
    label = Label(at(2, 10, 9, "child.yaml"), "child.yaml extends it here")
    diagnostic = Diagnostic("E0205", "unknown verb `con`", at(4, 11, 3), (label,))
    sources = {"tiny.yaml": SPEC, "child.yaml": "archdsl: 1\nextends: tiny.yaml\n"}
    assert (
        full([diagnostic], sources)
        == """\
error[E0205]: unknown verb `con`
 --> tiny.yaml:4:11
  |
4 |   conv1: {con: {out: 8, kernel: 3}}
  |           ^^^
 ::: child.yaml:2:10
  |
2 | extends: tiny.yaml
  |          --------- child.yaml extends it here

1 error in 1 file
"""
    )


def test_without_a_source_line_the_report_is_one_line() -> None:
    diagnostic = Diagnostic("E0102", "the file is not UTF-8 text", at(3, 1, 0))
    expected = "tiny.yaml:3:1: error[E0102]: the file is not UTF-8 text\n"
    assert full([diagnostic], {}) == expected
    assert shown("", diagnostic) == expected


def test_without_a_place_there_is_the_message_alone() -> None:
    assert full([Diagnostic("E0601", "not so")], {}) == "error[E0601]: not so\n"


def test_nothing_wrong_is_nothing_to_read() -> None:
    assert full([], {}) == concise([], {}) == ""


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("\tkey:\tvalue", "value"),
        ("漢字: {conv: {stide: 2}}", "stide"),
        ("é́: {conv: {stide: 2}}", "stide"),
        ("plain: word", "word"),
    ],
)
def test_the_caret_stands_under_the_word(line: str, word: str) -> None:
    span = at(1, line.index(word) + 1, len(word))
    lines = shown(line, Diagnostic("E0206", "wrong", span)).splitlines()
    source, carets = lines[3], lines[4]
    before = source[: source.index(word)].removeprefix("1 | ")
    wide = sum(letter in "漢字" for letter in before) - before.count("\u0301")
    assert "\t" not in source
    assert carets == "  | " + " " * (len(before) + wide) + "^" * len(word)


def test_a_wide_word_gets_a_wide_underline() -> None:
    lines = shown("漢字: 1", Diagnostic("E0208", "wrong", at(1, 1, 2))).splitlines()
    assert lines[4] == "  | ^^^^"


@pytest.mark.parametrize("position", [0, 30, 500, 4_000, 9_990])
def test_a_very_long_line_is_cut_around_the_word(position: int) -> None:
    filler = "abcde fghi " * 910
    line = filler[:position] + "#wrong#" + filler[position:]
    assert underlined(line, at(1, position + 1, 7)) == "#wrong#"
    longest = max(
        shown(line, Diagnostic("E0205", "", at(1, position + 1, 7))).splitlines(), key=len
    )
    assert len(longest) <= WIDTH + len("1 | ......")


def test_an_underline_ends_where_a_long_line_is_cut() -> None:
    lines = shown("x" * 5_000, Diagnostic("E0205", "", at(1, 2_000, 2_000))).splitlines()
    assert lines[3].endswith("x...")
    assert len(lines[4]) == len(lines[3].removesuffix("..."))


def test_two_words_far_apart_in_a_long_line_are_both_shown() -> None:
    line = "first " + "x" * 3_000 + " second"
    labels = (Label(at(1, 1, 5), "against this"),)
    text = shown(line, Diagnostic("E0501", "no", at(1, 3_008, 6), labels))
    assert "first" in text and "second" in text and "----- against this" in text


def test_an_underline_of_several_lines_ends_with_the_first() -> None:
    span = Span("tiny.yaml", 3, 1, 6, 4)
    assert underlined(SPEC, span) == "backbone:"


@pytest.mark.parametrize("column", [100, 12])
def test_a_place_behind_the_end_of_a_line_gets_a_caret_there(column: int) -> None:
    lines = shown("name: tiny\n", Diagnostic("E0103", "cut", at(1, column, 3))).splitlines()
    assert lines[4] == "  | " + " " * len("name: tiny") + "^"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_lines_are_counted_as_yaml_counts_them(end: str) -> None:
    assert underlined(SPEC.replace("\n", end), at(4, 11, 3)) == "con"


def test_a_spec_cannot_command_the_terminal() -> None:
    evil = "name: \x1b[2J\x07\u202eevil"
    diagnostic = Diagnostic("E0201", f"unknown key `{evil}`\n", at(1, 7, 3), help=evil)
    text = full([diagnostic], {"tiny.yaml": evil}) + concise([diagnostic], {})
    assert not set("\x1b\x07\u202e") & set(text)
    assert "evil" in text


def test_colour_changes_nothing_but_the_colour() -> None:
    import click

    diagnostic = Diagnostic("E0205", "unknown", at(4, 11, 3), (Label(at(5, 3, 4), "so"),), "help")
    colored = full([diagnostic], {"tiny.yaml": SPEC}, color=True)
    assert "\x1b[" in colored
    assert click.unstyle(colored) == shown(SPEC, diagnostic)


def test_paths_below_the_working_directory_are_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below, beside = tmp_path / "here" / "a.yaml", tmp_path / "b.yaml"
    below.parent.mkdir()
    monkeypatch.chdir(below.parent)
    text = concise([Diagnostic("E0201", "no", at(1, 1, 1, str(f))) for f in (below, beside)], {})
    assert text == f"a.yaml:1:1: E0201 no\n{beside}:1:1: E0201 no\n"


def test_settings_of_the_command_line_are_shown_like_files() -> None:
    diagnostic = Diagnostic("E0203", "expected a number", at(1, 1, 3, "--set classes=abc"))
    assert full([diagnostic], {"--set classes=abc": "abc"}).splitlines()[1:5] == [
        " --> --set classes=abc:1:1",
        "  |",
        "1 | abc",
        "  | ^^^",
    ]


def test_the_count_tells_errors_from_warnings() -> None:
    wrong, other = Diagnostic("E0201", "", at(1, 1, 1)), Diagnostic("E0202", "", at(1, 1, 1, "b"))
    odd = Diagnostic("W0101", "", at(2, 1, 1), severity="warning")
    assert count([wrong]) == "1 error in 1 file"
    assert count([wrong, wrong, odd]) == "2 errors and 1 warning in 1 file"
    assert count([wrong, other]) == "2 errors in 2 files"
    assert count([odd]) == "1 warning in 1 file"


def test_concise_is_one_line_each() -> None:
    found = [
        Diagnostic("E0304", "2.5 is not a whole number", at(4, 11, 3)),
        Diagnostic("E0601", "x"),
    ]
    assert concise(found, {}) == "tiny.yaml:4:11: E0304 2.5 is not a whole number\nE0601 x\n"
