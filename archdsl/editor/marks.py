"""What every word of a spec means: verbs, arguments, names, references, each with its place.

Hover, definitions, references, renaming and colours read this one list.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archdsl.diagnostics.diagnostic import Span
from archdsl.expressions.expression import ExpressionError
from archdsl.expressions.parser import WORDS, tokens_of
from archdsl.expressions.template import Template
from archdsl.language.keys import DocumentForm
from archdsl.language.syntax import (
    BROKEN,
    PLACES,
    Argument,
    Block,
    Document,
    File,
    Formula,
    Item,
    Listed,
    Loop,
    Mapped,
    Name,
    Parameter,
    Sequence,
    Text,
    Verb,
    is_modifier,
)
from archdsl.yaml.mistakes import known
from archdsl.yaml.source import Place, Source, lines_of

Kind = Literal[
    "key",  # of the document
    "file",  # that `extends` or `import` names
    "block",  # where it is declared
    "parameter",  # where it is declared
    "column",  # of a `for`, where it is bound
    "item",  # the key of an item
    "label",  # what `as` or `tap` calls a result
    "verb",  # an op, block or combinator where it is used
    "argument",  # of a verb
    "modifier",
    "name",  # in an expression
    "function",
    "reference",  # to an item, tap or label
]


@dataclass(frozen=True, eq=False)
class Mark:
    """A word of a spec: what kind of thing it is, what it says, where.

    `block` is the one whose body it stands in, None in the document itself; `item` the item that
    it belongs to, `verb` what takes an argument, `target` where a name is bound, if it is known.
    """

    kind: Kind
    text: str
    span: Span
    block: Block | None = None
    item: Item | None = None
    verb: str = ""
    target: "Parameter | Block | Place | None" = None


Bound = Mapping[str, "Parameter | Place"]


def marks_of(document: Document, name: str, source: Source) -> list[Mark]:
    """The marks of a document that lie in the file of a name, whose data `source` is."""
    finder = _Finder(document, lines_of(source.text))
    found = [*finder.keys(source), *finder.document_marks()]
    for block in [*document.file.blocks.values()]:  # which grow by those of the library
        if block.place.source.name == name or block.file is document.file:
            found += finder.block_marks(block)
    here = {  # once, where it is an alias
        (mark.kind, mark.text, mark.span): mark
        for mark in found
        if mark.span.file == name and (mark.kind == "file" or finder.says(mark))
    }
    return sorted(here.values(), key=lambda m: (m.span.line, m.span.column, m.span.end_column))


class _Finder:
    """Walks through a document."""

    def __init__(self, document: Document, lines: list[str]) -> None:
        self.document, self.lines = document, lines

    # the document

    def keys(self, source: Source) -> Iterator[Mark]:
        """The document's own keys, and the files that it names."""
        if not isinstance(source.data, dict):
            return
        for word, value in source.data.items():
            span = source.keys.get((word,))
            if word in known(DocumentForm) and span is not None:
                yield Mark("key", word, span)
            if word in ("extends", "import"):
                listed = value if isinstance(value, list) else [value]
                for n, file in enumerate(listed):
                    place = source.at(word, n) if isinstance(value, list) else source.at(word)
                    if isinstance(file, str) and place.span is not None:
                        yield Mark("file", file, place.span)

    def document_marks(self) -> Iterator[Mark]:
        document = self.document
        bound: Bound = document.parameters
        yield from self.parameters(document.parameters, None, bound)
        for shape in (document.inputs or {}).values():
            for size in shape:
                yield from self.argument(size, None, None, bound)
        for said in document.file.defaults.items():
            place = document.file.source.at("defaults", said[0])
            if place.key is not None:
                yield Mark("verb", said[0], place.key)
            yield from self.arguments(said[0], said[1], None, None, bound)
        for rule in document.rules.values():
            for number in rule.numbers.values():
                yield from self.argument(number, None, None, bound)
        for output in (document.outputs or {}).values():
            if output is not None:
                yield from self.argument(output, None, None, bound)
        for replacement in document.replacements:
            place, op = replacement.place, replacement.op
            span = place.key if place.path[-1:] == (op,) else (place / "op").span
            if span is not None:
                yield Mark("verb", op, span)
            yield from self.argument(replacement.by, None, None, bound)
        for section in document.sections.values():
            yield from self.sequence(section, None, bound)

    def parameters(
        self, parameters: Mapping[str, Parameter], block: Block | None, bound: Bound
    ) -> Iterator[Mark]:
        for parameter in parameters.values():
            span = declared_at(parameter)
            if span is not None:
                yield Mark("parameter", parameter.name, span, block, target=parameter)
            if parameter.default is not None:
                yield from self.argument(parameter.default, block, None, bound)

    # blocks

    def block_marks(self, block: Block) -> Iterator[Mark]:
        key = block.place.key
        if key is not None:
            yield Mark("block", block.name, key, block, target=block)
        own = self.document.parameters if block.file is self.document.file else {}
        bound: dict[str, Parameter | Place] = {**own, **block.parameters}
        yield from self.parameters(block.parameters, block, bound)
        for output in (block.outputs or {}).values():
            if output is not None:
                yield from self.argument(output, block, None, bound)
        if block.body is not None:
            yield from self.item(block.body, block, bound)

    # items

    def sequence(self, sequence: Sequence, block: Block | None, bound: Bound) -> Iterator[Mark]:
        for item in sequence.items:
            yield from self.item(item, block, bound)

    def item(self, item: Item, block: Block | None, bound: Bound) -> Iterator[Mark]:
        if item.verb == BROKEN:
            return
        loop = item.modifiers.for_
        inner = {**bound, **_columns(loop)} if loop is not None else bound
        key = item.place.source.keys.get(item.place.path)
        if item.key is not None and key is not None:
            at = key.part(self.is_quoted(key), len(item.key.text))
            yield Mark("item", item.key.text, at, block, item)
            yield from self.template(item.key, key, block, item, inner)
        yield from self.verb(item, block, inner)
        yield from self.modifiers(item, block, bound, inner)
        yield from self.arguments(item.verb, item.arguments, block, item, inner)
        for name, part in item.parts.items():
            place = item.inside / name
            span = place.source.keys.get(place.path)
            if span is not None:
                yield Mark("argument", name, span, block, item, item.verb)
            yield from self.sequence(part, block, inner)

    def verb(self, item: Item, block: Block | None, bound: Bound) -> Iterator[Mark]:
        bare = item.place == item.inside
        span = item.inside.span if bare else item.inside.source.keys.get(item.inside.path)
        if span is None or (bare and not isinstance(_data(item.inside), str)):
            return
        if item.chosen is not None:
            yield from self.argument(item.chosen, block, item, bound, span)
        else:
            yield Mark("verb", item.verb, span, block, item, target=self.block(item.verb, block))

    def modifiers(
        self, item: Item, block: Block | None, outer: Bound, bound: Bound
    ) -> Iterator[Mark]:
        said, data = item.modifiers, _data(item.place)
        for word in data if isinstance(data, dict) and item.place != item.inside else ():
            span = item.place.source.keys.get((*item.place.path, word))
            if is_modifier(word, data[word]) and span is not None:
                yield Mark("modifier", word, span, block, item)
        if said.for_ is not None:
            for column in said.for_.columns:
                place = _column_place(said.for_, column.name)
                if place is not None and place.key is not None:
                    span = place.key if said.for_.rows is None else place.span or place.key
                    yield Mark("column", column.name, span, block, item, target=place)
                yield from self.argument(column.cells, block, item, outer)
        for argument in (said.if_, said.from_, said.repeat, said.each):
            if argument is not None:
                yield from self.argument(argument, block, item, bound)
        for name in said.names:
            if (whole := name.place.span) is not None:
                text = name.template.text
                at = whole.part(self.is_quoted(whole), len(text))
                yield Mark("label", text, at, block, item)
                yield from self.template(name.template, whole, block, item, bound)

    def arguments(
        self,
        verb: str,
        arguments: Mapping[str, Argument],
        block: Block | None,
        item: Item | None,
        bound: Bound,
    ) -> Iterator[Mark]:
        """The names of arguments, and what is written for them."""
        taker = self.block(verb, block)
        for name, argument in arguments.items():
            place = argument.place
            span = place.source.keys.get(place.path)
            if span is not None and place.path[-1] == name:
                parameter = taker.parameters.get(name) if taker is not None else None
                yield Mark("argument", name, span, block, item, verb, parameter)
            yield from self.argument(argument, block, item, bound)

    # what is written

    def argument(
        self,
        argument: Argument,
        block: Block | None,
        item: Item | None,
        bound: Bound,
        span: Span | None = None,
    ) -> Iterator[Mark]:
        span = argument.place.span if span is None else span
        match argument:
            case Formula(text, _, _) if span is not None:
                yield from self.expression(text, span, 0, block, item, bound)
            case Name(template, _, index) if span is not None:
                if template.text:
                    at = span.part(self.is_quoted(span) + argument.spread, len(template.text))
                    yield Mark("reference", template.text, at, block, item)
                yield from self.template(template, span, block, item, bound)
                if index is not None:
                    offset = len(template.text) - len(PLACES)  # which stand for the name
                    yield from self.expression(index.text, span, offset, block, item, bound)
            case Text(template) if span is not None:
                yield from self.template(template, span, block, item, bound)
            case Verb(verb, arguments, place):
                own = isinstance(_data(place), str)
                word = place.span if own else place.source.keys.get((*place.path, verb))
                if word is not None:
                    yield Mark("verb", verb, word, block, item, target=self.block(verb, block))
                yield from self.arguments(verb, arguments, block, item, bound)
            case Listed(parts):
                for part in parts:
                    yield from self.argument(part, block, item, bound)
            case Mapped(parts):
                for part in parts.values():
                    yield from self.argument(part, block, item, bound)

    def template(
        self, template: Template, span: Span, block: Block | None, item: Item | None, bound: Bound
    ) -> Iterator[Mark]:
        for offset, expression in template.expressions:
            yield from self.expression(expression.text, span, offset, block, item, bound)

    def expression(
        self,
        text: str,
        span: Span,
        offset: int,
        block: Block | None,
        item: Item | None,
        bound: Bound,
    ) -> Iterator[Mark]:
        """The names and functions in an expression that begins at an offset of a span."""
        dollar = len(text) - len(text.removeprefix("$"))
        try:
            tokens = tokens_of(text.removeprefix("$"))
        except ExpressionError:
            return
        quoted = int(self.is_quoted(span))
        for token, after in zip(tokens, [*tokens[1:], None], strict=True):
            if token.kind != "name" or token.text in WORDS or token.text == PLACES:
                continue
            at = span.part(offset + quoted + dollar + token.offset, len(token.text))
            called = after is not None and after.text == "("
            target = None if called else bound.get(token.text)
            kind: Kind = "function" if called else "name"
            yield Mark(kind, token.text, at, block, item, target=target)

    def says(self, mark: Mark) -> bool:
        """Whether a mark's text stands at its place; some words are only implied."""
        if mark.span.line > len(self.lines):
            return False
        line = self.lines[mark.span.line - 1]
        return line[mark.span.column - 1 : mark.span.end_column - 1] == mark.text

    def is_quoted(self, span: Span) -> bool:
        """Whether a text has quotes around it, which its place counts."""
        line = self.lines[span.line - 1] if span.line <= len(self.lines) else ""
        return line[span.column - 1 : span.column] in ("'", '"')

    def block(self, verb: str, block: Block | None) -> Block | None:
        """The block that a verb names where it stands."""
        file: File = block.file if block is not None else self.document.file
        return file.block(verb)


def declared_at(parameter: Parameter) -> Span | None:
    """Where a parameter's name stands: that of the long form is a level above its default."""
    place = parameter.place
    while place.path and place.path[-1] != parameter.name:
        place = Place(place.source, place.path[:-1])
    return place.source.keys.get(place.path)


def _columns(loop: Loop) -> dict[str, Place]:
    found = {column.name: _column_place(loop, column.name) for column in loop.columns}
    return {name: place for name, place in found.items() if place is not None}


def _column_place(loop: Loop, name: str) -> Place | None:
    """Where a column gets its name."""
    for column in loop.columns:
        if column.name == name:
            return column.heading or column.cells.place
    return None


def _data(place: Place) -> Any:
    try:
        return place.data
    except (KeyError, IndexError, TypeError):
        return None
