"""What parts of a spec mention: parameters, functions, verbs, items."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from archdsl.expressions.expression import Expression
from archdsl.expressions.template import Template
from archdsl.language.syntax import (
    PLACES,
    Argument,
    Block,
    Document,
    File,
    Formula,
    Item,
    Literal,
    Name,
    Sequence,
    Text,
    Verb,
    items_in,
    nodes_in,
    written_in,
)
from archdsl.language.templates import Templates


@dataclass(slots=True)
class Mentions:
    """What some arguments or items mention.

    `names` and `functions` are those in expressions, `verbs` ops and blocks, and words that could
    name one where they are a cell of a `for`; `references` are the items and taps that are meant.
    """

    names: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    verbs: set[str] = field(default_factory=set)
    references: list[Template] = field(default_factory=list)

    def add(self, arguments: Iterable[Argument]) -> "Mentions":
        """Adds what arguments mention."""
        for argument in arguments:
            for node in nodes_in(argument):
                match node:
                    case Formula(_, expression):
                        self.names.update(expression.names)
                        self.functions.update(expression.functions)
                    case Name(template, _, index):
                        self.references.append(template)
                        self.add_template(template)
                        self.add_index(index)
                    case Text(template):
                        self.add_template(template)
                    case Verb(verb):
                        self.verbs.add(verb)
                    case Literal(value):
                        self.verbs.update(_words(value))
        return self

    def add_template(self, template: Template) -> None:
        """Adds what the expressions in a name mention."""
        for _, expression in template.expressions:
            self.names.update(expression.names)
            self.functions.update(expression.functions)

    def add_index(self, index: Expression | None) -> None:
        """Adds what the index of a reference mentions, which is of no parameter's list."""
        if index is not None:
            self.names.update(name for name in index.names if name != PLACES)
            self.functions.update(index.functions)

    def add_items(self, items: Iterable[Item]) -> "Mentions":
        """Adds what items mention, and those in them; their own keys are no references."""
        for item in items:
            self.verbs.add(item.verb)
            self.add(written_in(item))
            if item.key is not None:
                self.add_template(item.key)
            for name in item.modifiers.names:
                self.add_template(name.template)
                self.add_index(name.index)
        return self


def of_body(block: Block) -> Mentions:
    """What the body of a block mentions."""
    said = [name for name in (block.outputs or {}).values() if name is not None]
    return Mentions().add(said).add_items(items_in(block.body) if block.body is not None else ())


def of_parameters(block: Block) -> Mentions:
    """What the defaults of a block's parameters mention."""
    return Mentions().add(_defaults(block))


def of_block(block: Block) -> Mentions:
    """What a block mentions, and the default arguments in its file."""
    return of_body(block).add(_defaults(block)).add(_arguments(block.file))


def of_surroundings(document: Document) -> Mentions:
    """What acts on every op of a document mentions: default arguments, and what is replaced."""
    found = Mentions().add(_arguments(document.file))
    return found.add(rule.by for rule in document.replacements)


def of_document(document: Document) -> Mentions:
    """What a document mentions outside its blocks and the names of its weights."""
    said: list[Argument | None] = [*(document.outputs or {}).values()]
    said += [size for shape in (document.inputs or {}).values() for size in shape]
    said += [parameter.default for parameter in document.parameters.values()]
    said += [number for rule in document.rules.values() for number in rule.numbers.values()]
    said += [*_arguments(document.file), document.phi, document.output_stride]
    said += [rule.by for rule in document.replacements]
    found = Mentions().add(node for node in said if node is not None)
    return found.add_items(items_of(document))


def items_of(document: Document) -> Iterator[Item]:
    """All items of a document's sections."""
    for section in document.sections.values():
        for item in section.items:
            yield from items_in(item)


def _defaults(block: Block) -> list[Argument]:
    defaults = (parameter.default for parameter in block.parameters.values())
    return [default for default in defaults if default is not None]


def _arguments(file: File) -> list[Argument]:
    return [node for said in file.defaults.values() for node in said.values()]


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _words(part)


def names_item_of(part: Sequence, other: Sequence) -> bool:
    """Whether something in one sequence names an item of another."""
    said = [inner.modifiers for item in part.items for inner in items_in(item)]
    nodes = [node for one in said for node in (one.from_, one.each) if node is not None]
    names = [n.template.text for node in nodes for n in nodes_in(node) if isinstance(n, Name)]
    keys = [item.key for item in other.items if item.key is not None]
    labels = [inner.modifiers.as_ for item in other.items for inner in items_in(item)]
    keys += [label.template for label in labels if label is not None]
    known = Templates(keys)
    return any(known.could_be(name.partition(".")[0]) for name in names)
