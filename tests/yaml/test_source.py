"""YAML to plain data with places: scalars, spans, aliases, limits, and what a spec may not say."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Source, parse, read_text


def parsed(text: str, limits: Limits | None = None) -> Source:
    sink = Sink()
    source = parse(text, "spec.yaml", sink, limits)
    assert sink.diagnostics == []
    assert source is not None
    return source


def refused(text: str, limits: Limits | None = None) -> Diagnostic:
    sink = Sink()
    parse(text, "spec.yaml", sink, limits)
    (diagnostic,) = sink.diagnostics
    return diagnostic


def place(span: Span | None) -> tuple[int, int, int, int]:
    assert span is not None
    return span.line, span.column, span.end_line, span.end_column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("3e", "3e"), ("1_000", "1_000"),
        ("12:30", "12:30"), ("2016-01-01", "2016-01-01"), ("0b1", "0b1"), ("'3'", "3"),
        ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("3", 3), ("-7", -7), ("+12", 12), ("012", 12), ("0o17", 15), ("0x1F", 31),
        ("1e-3", 1e-3), ("1.", 1.0), (".5", 0.5), ("-2.5E+3", -2500.0),
        ("'.inf'", ".inf"), ("!!str .inf", ".inf"), (".infx", ".infx"), ("!!str 3", "3"),
        ("! 3", "3"), ('"a\\tb"', "a\tb"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    found = parsed(f"key: {text}").data["key"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN", "1e999", "-1e999"])
def test_infinite_numbers_are_refused_where_they_stand(text: str) -> None:
    sink = Sink()
    assert parse(f"key: [1, {text}]", "spec.yaml", sink) is None
    (found,) = sink.diagnostics
    assert (found.code, found.span and place(found.span)) == ("E0203", (1, 10, 1, 10 + len(text)))
    assert parsed(f"{text}: 1").data == {text: 1}


def test_every_value_and_key_has_a_span() -> None:
    source = parsed("name: net\nblocks:\n  unit: {conv: {kernel: 3}}\nlist:\n- 'a b'\n- c\n")
    value = {path: place(span) for path, span in source.spans.items()}
    key = {path: place(span) for path, span in source.keys.items()}
    assert value[("name",)] == (1, 7, 1, 10)
    assert key[("blocks", "unit")] == (3, 3, 3, 7)
    assert value[("blocks", "unit")] == (3, 9, 3, 28)
    assert value[("blocks", "unit", "conv", "kernel")] == (3, 25, 3, 26)
    assert value[("list", 0)] == (5, 4, 5, 7)  # between the quotes
    assert value[("list", 1)] == (6, 3, 6, 4)


def test_a_place_without_a_value_has_the_span_of_what_encloses_it() -> None:
    at = parsed("a: {b: 1}").at("a", "c", "d")
    assert place(at.span) == (1, 4, 1, 10)
    assert place((parsed("a: {b: 1}").at("a") / "b").key) == (1, 5, 1, 6)


def test_columns_count_characters_not_bytes() -> None:
    assert place(parsed("a: [é, ü, x]").spans[("a", 2)]) == (1, 11, 1, 12)


def test_a_key_twice_is_an_error_at_the_second() -> None:
    diagnostic = refused("a: 1\nb: 2\na: 3\n")
    assert (diagnostic.code, place(diagnostic.span)) == ("E0105", (3, 1, 3, 2))
    assert diagnostic.message == "`a` stands here twice"
    assert [place(label.span) for label in diagnostic.labels] == [(1, 1, 1, 2)]


def test_the_first_of_two_equal_keys_counts_and_the_second_is_read_too() -> None:
    sink = Sink()
    source = parse("a: {x: 1}\na: {y: 1, y: 2}\n", "spec.yaml", sink)
    assert source is not None
    assert source.data == {"a": {"x": 1}}
    assert [d.message for d in sink.diagnostics] == [
        "`a` stands here twice",
        "`y` stands here twice",
    ]


def test_aliases_repeat_values_and_lead_back_to_their_anchor() -> None:
    source = parsed("a: &list [1, {b: 2}]\nc: *list\nd: &word relu\ne: *word\n")
    assert source.data["c"] == [1, {"b": 2}]
    assert source.data["e"] == "relu"
    assert place(source.spans[("c", 1, "b")]) == (1, 18, 1, 19)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "E0104", "the file is empty"),
        ("# only this\n", "E0104", "the file is empty"),
        ("a: 1\n---\nb: 2\n", "E0104", "a second document in one file"),
        ("a: *b", "E0103", "the alias `*b` has no anchor `&b` before it"),
        ("a: &a [*a]", "E0103", "the alias `*a` has no anchor `&a` before it"),
        ("<<: {a: 1}", "E0107", "a spec may not use merge keys (`<<`)"),
        ("a: !!python/object:os.system x", "E0107",
         "a spec may not use the tag `tag:yaml.org,2002:python/object:os.system`"),
        ("a: !!binary aGk=", "E0107", "a spec may not use the tag `tag:yaml.org,2002:binary`"),
        ("? [a]\n: b\n", "E0107", "a key must be a plain name"),
        ("a: " + "9" * 41, "E0106", "a number of more than 40 digits"),
    ],
)  # fmt: skip
def test_what_a_spec_may_not_say(text: str, code: str, message: str) -> None:
    diagnostic = refused(text)
    assert (diagnostic.code, diagnostic.message) == (code, message)


@pytest.mark.parametrize(
    ("text", "line", "column", "help"),
    [
        ("a:\n\tb: 1\n", 2, 1, "indent with spaces: YAML does not allow tabs"),
        ("a: {b: 1\nc: 2\n", 1, 4, "write `}` where the mapping ends"),
        ("a: [1, 2\nb: 3\n", 1, 4, "write `]` where the list ends"),
        ("a: {b: depths[0]}\n", 1, 8, 'write `b: "depths[0]"`'),
        ("a:b\nc: d\n", 1, 1, "write `a: b`"),
    ],
)
def test_a_yaml_error_names_the_usual_suspect(text: str, line: int, column: int, help: str) -> None:
    diagnostic = refused(text)
    assert diagnostic.code == "E0103"
    assert diagnostic.span is not None
    assert (diagnostic.span.line, diagnostic.span.column, diagnostic.help) == (line, column, help)


@pytest.mark.parametrize(
    ("text", "pasted", "data"),
    [
        ("{out: max(1, C), kernel: 3}", 'out: "max(1, C)"', {"out": "max(1, C)", "kernel": 3}),
        ("{out: max(1,C , 3)}", 'out: "max(1,C , 3)"', {"out": "max(1,C , 3)"}),
        ("{a: f(g(1, 2), 3), b: x}", 'a: "f(g(1, 2), 3)"', {"a": "f(g(1, 2), 3)", "b": "x"}),
        ("[0, max(1, C), [2], 3]", '"max(1, C)"', [0, "max(1, C)", [2], 3]),
        ("{a: max(\n  1, C)}", 'a: "max( 1, C)"', {"a": "max( 1, C)"}),
    ],
)
def test_an_unquoted_comma_gets_an_error_of_its_own(text: str, pasted: str, data: Any) -> None:
    sink = Sink()
    source = parse(f"value: {text}\n", "spec.yaml", sink)
    (diagnostic,) = sink.diagnostics
    assert (diagnostic.code, diagnostic.message, diagnostic.help) == (
        "E0108", "YAML ends a value at a comma inside {...} and [...]",
        f"put it in quotes: {pasted}",
    )  # fmt: skip
    assert source is not None
    assert source.data == {"value": data}


def test_places_behind_an_unquoted_comma_are_right() -> None:
    source = parse("a: [max(1, C), [2], x]\n", "spec.yaml", Sink())
    assert source is not None
    assert place(source.spans[("a", 0)]) == (1, 5, 1, 14)
    assert place(source.spans[("a", 1, 0)]) == (1, 17, 1, 18)
    assert place(source.spans[("a", 2)]) == (1, 21, 1, 22)


@pytest.mark.parametrize(
    "text", ["a: max(1, C)", "a: ['max(1', 2]", "a: {b: (, c: 3}", "a: [f(1), 2]"]
)
def test_a_comma_that_needs_no_quotes_is_left_alone(text: str) -> None:
    assert parsed(text).data


LIMITED = [
    ("nesting", 3, "a: {b: {c: 1}}", "a: {b: {c: {d: 1}}}", "nested deeper than 3 levels"),
    ("values", 4, "[1, 2, 3]", "[1, 2, 3, 4]", "more than 4 values, aliases expanded"),
    (
        "values",
        7,
        "[&a [1], *a, *a]",
        "[&a [1, 2], *a, *a]",
        "more than 7 values, aliases expanded",
    ),
]


@pytest.mark.parametrize(("name", "limit", "good", "bad", "message"), LIMITED)
def test_limits(name: str, limit: int, good: str, bad: str, message: str) -> None:
    limits = Limits().override({name: str(limit)})
    parsed(good, limits)
    diagnostic = refused(bad, limits)
    assert (diagnostic.code, diagnostic.message) == ("E0106", message)
    assert diagnostic.help == f"--limit {name}=N allows more"


def test_a_billion_laughs_are_cut_short() -> None:
    lines = ["a0: &a0 [lol, lol]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert refused("\n".join(lines)).message == "more than 20,000 values, aliases expanded"


def test_deep_nesting_is_cut_short() -> None:
    assert refused("[" * 100_000).message == "nested deeper than 64 levels"


def test_an_unknown_limit_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unknown limit `nods`; did you mean `nodes`"):
        Limits().override({"nods": "3"})
    for text in ("0", "-1", "many", "1.5"):
        with pytest.raises(UsageError, match="must be a positive whole number"):
            Limits().override({"nodes": text})
    assert Limits().override({"nodes": "1_000"}).nodes == 1000
    with pytest.raises(UsageError) as caught:
        Limits().override({"nods": "3", "items": "no", "root": "nowhere"})
    for said in ("limit `nods`", "items must be a positive", "root must be a folder"):
        assert said in str(caught.value)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .*missing\.yaml"):
        read_text(str(tmp_path / "missing.yaml"), Limits(), Sink())
    with pytest.raises(UsageError, match="is a directory, not a spec"):
        read_text(str(tmp_path), Limits(), Sink())
    with pytest.raises(UsageError, match="cannot read"):
        read_text("a\0b", Limits(), Sink())


def test_a_file_that_is_not_text_is_an_error_at_the_line(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"archdsl: 1\nname: \xff\n")
    sink = Sink()
    assert read_text(str(path), Limits(), sink) is None
    (diagnostic,) = sink.diagnostics
    assert (diagnostic.code, diagnostic.span and diagnostic.span.line) == ("E0102", 2)


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("a" * 11)
    sink = Sink()
    assert read_text(str(path), Limits(document_bytes=10), sink) is None
    assert sink.diagnostics[0].message == "the file is larger than 10 bytes"
    assert read_text(str(path), Limits(document_bytes=11), Sink()) == "a" * 11


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: net\n")
    assert read_text(str(path), Limits(), Sink()) == "name: net\n"


@given(st.text(max_size=60))
@example("a: \x07")
@example("\ufeff\x85 - [")
@example("%YAML 1.1\n--- {")
def test_any_text_is_read_or_refused(text: str) -> None:
    sink = Sink()
    source = parse(text, "spec.yaml", sink)
    assert source is not None or sink.failed
    assert all(diagnostic.span is not None for diagnostic in sink.diagnostics)
