"""What is written becomes nodes with places, once; nothing behind the reader parses text."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.document import elaborate
from archdsl.expressions import parser, template
from archdsl.language import checker, gallery
from archdsl.language.loader import Loader
from archdsl.language.mentions import items_of
from archdsl.language.syntax import (
    Argument,
    Document,
    Formula,
    Item,
    Listed,
    Name,
    Renaming,
    as_written,
    items_in,
    nodes_in,
    written_in,
)
from archdsl.lint.rules import LINTS, lint
from tests.support import whole

PACKAGE = Path(checker.__file__).parents[1]


def loaded(name: str) -> Document:
    sink = Sink()
    document = Loader(sink).load(gallery.find(name))
    assert document is not None
    assert not sink.failed
    return document


def read(text: str) -> Document:
    sink = Sink()
    document = Loader(sink).loads(whole(text))
    assert document is not None
    assert not sink.diagnostics
    return document


def items(document: Document) -> Iterator[Item]:
    yield from items_of(document)
    for block in document.file.blocks.values():
        if block.file is document.file and block.body is not None:
            yield from items_in(block.body)


def loops(renamings: Iterable[Renaming]) -> Iterator[Item]:
    """The loops around names of weights."""
    for renaming in renamings:
        yield renaming.item
        yield from loops(renaming.below or ())


def arguments(document: Document) -> Iterator[Argument]:
    """Every node of a document and of its own blocks."""
    said: list[Any] = [*(document.outputs or {}).values(), document.phi]
    said += [size for shape in (document.inputs or {}).values() for size in shape]
    said += [number for rule in document.rules.values() for number in rule.numbers.values()]
    said += [node for nodes in document.file.defaults.values() for node in nodes.values()]
    blocks = [block for block in document.file.blocks.values() if block.file is document.file]
    for holder in (document, *blocks):
        said += [parameter.default for parameter in holder.parameters.values()]
    renamings = [one for several in document.renamings.values() for one in several]
    for item in (*items(document), *loops(renamings)):
        said += written_in(item)
    for node in said:
        yield from nodes_in(node) if node is not None else ()


@pytest.mark.parametrize("name", gallery.names())
def test_a_node_stands_where_its_text_does(name: str) -> None:
    document = loaded(name)
    texts = {document.file.source.name: document.file.source.text}
    for node in arguments(document):
        found = []
        for span in (node.place.span, node.place.key):
            assert span is not None
            text = texts.get(span.file, "").splitlines()
            found.append(text[span.line - 1][span.column - 1 : span.end_column - 1] if text else "")
        if isinstance(node, Formula | Name) and any(found):
            assert as_written(node) in found  # `$block` is a key
        if isinstance(node, Listed):
            assert node.place.data == as_written(node)


@pytest.mark.parametrize("name", ["efficientnet_b7", "googlenet", "swin_t"])
def test_every_text_of_a_spec_is_parsed_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(name)  # the blocks of the library are read for all specs
    parsed: list[str] = []

    def counting(text: str) -> Any:
        parsed.append(text)
        return parser.parse(text)

    monkeypatch.setattr(checker, "parse", counting)
    document = loaded(name)
    written = [node for node in arguments(document) if isinstance(node, Formula)]
    assert len(parsed) == len(written) > 0
    assert sorted(parsed) == sorted(node.expression.text for node in written)


@pytest.mark.parametrize("name", ["efficientnet_b7", "densenet121", "unet"])
def test_nothing_is_parsed_once_a_spec_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document, sink = loaded(name), Sink()
    parser.parse.cache_clear()
    template.parse_template.cache_clear()

    def refuse(*text: str) -> Any:
        raise AssertionError(f"parsed again: {text}")

    monkeypatch.setattr(parser, "_Parser", refuse)
    monkeypatch.setattr(template, "Template", refuse)
    graph = elaborate(document, sink)
    assert graph is not None
    lint(document, graph, LINTS, sink)


def test_only_the_reader_parses() -> None:
    users = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and str(node.module).startswith("archdsl.expressions")
        and {"parse", "parse_template", "forgiving"} & {alias.name for alias in node.names}
    }
    behind_the_files = {"graph.renames", "graph.from_json"}  # names of weights in JSON
    reader = {"language.checker", "language.reader", "language.weights"}
    of_source = {"pytorch.symbols"}  # evaluates what is left of an expression in Python's words
    assert users == {"expressions.template", *reader, *behind_the_files, *of_source}


def test_an_argument_keeps_what_it_was_written_as() -> None:
    document = read("""
        params: {w: 4, act: relu}
        backbone:
          a: {conv: {out: 4 * w, kernel: [1, w - 3], padding: same, bias: true}}
          b: {$act: {}, if: w > 3, from: a}
          c: {linear: {out: $w, init: {normal: {std: w / 100}}}, tap: "c{w}"}
    """)
    a, b, c = document.sections["backbone"].items
    assert {n: as_written(node) for n, node in a.arguments.items()} == {
        "out": "4 * w", "kernel": [1, "w - 3"], "padding": "same", "bias": True,
    }  # fmt: skip
    assert [type(node).__name__ for node in a.arguments.values()] == [
        "Formula", "Listed", "Literal", "Literal",
    ]  # fmt: skip
    assert b.chosen is not None
    assert (b.chosen.text, b.chosen.name) == ("$act", "act")
    assert b.modifiers.if_ is not None
    assert as_written(b.modifiers.if_) == "w > 3"
    assert b.modifiers.from_ is not None
    assert as_written(b.modifiers.from_) == "a"
    assert as_written(c.arguments["init"]) == {"normal": {"std": "w / 100"}}
    assert c.modifiers.tap is not None
    assert c.modifiers.tap.template.names == {"w": 2}
