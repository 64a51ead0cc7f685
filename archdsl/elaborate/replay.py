"""Elaborated blocks, kept to be replayed: for later calls, and other settings of a document."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from archdsl.elaborate.builder import Recorded
from archdsl.elaborate.env import ItemValue
from archdsl.expressions.expression import Value
from archdsl.expressions.scaling import RULES, Function
from archdsl.language.mentions import Mentions, of_block, of_surroundings
from archdsl.language.replacing import Replacements
from archdsl.language.syntax import Block, Document
from archdsl.ops.tensor import TensorSpec

MAX_NODES = 200_000  # in all that is kept


class Around(NamedTuple):
    """The document's parameters and scaling rules that a block, or one it calls, might use."""

    parameters: tuple[str, ...]
    functions: tuple[str, ...]


class Key(NamedTuple):
    """What the nodes of a block follow from: `around` is what it mentions of the document."""

    block: Block
    arguments: tuple[Any, ...]
    inputs: tuple[TensorSpec, ...]
    around: tuple[Any, ...]


class Records:
    """Elaborated blocks of a document, by all that their nodes follow from.

    That is the block, its arguments, the shapes of its inputs, and the values of what it mentions
    of the document; so they are good for every setting of it, under the same limits.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.kept: dict[Any, Recorded] = {}
        self.nodes = 0
        self.mentioned: dict[Block, Around] = {}
        self.said: dict[Block, Mentions] = {}  # by a block alone

    def key(
        self,
        block: Block,
        arguments: Mapping[str, Value],
        inputs: tuple[TensorSpec, ...],
        parameters: Mapping[str, Value],
        functions: Mapping[str, Function],
        replacing: Replacements,
    ) -> Key:
        """What the nodes of a block follow from."""
        around: list[Any] = [replacing]
        verbs = [value for value in arguments.values() if isinstance(value, ItemValue | list)]
        for called in (block, *_blocks_in(verbs)):
            mentions = self.mentions(called)
            around += [_frozen(parameters.get(name)) for name in mentions.parameters]
            around += [functions.get(name) for name in mentions.functions]
        return Key(block, tuple(map(_frozen, arguments.values())), inputs, tuple(around))

    def keep(self, key: Any, recorded: Recorded) -> None:
        """Keeps an elaborated block; where that is too much, those before it are forgotten."""
        self.nodes += len(recorded.nodes)
        if self.nodes > MAX_NODES:
            self.kept.clear()
            self.nodes = len(recorded.nodes)
        self.kept[key] = recorded

    def mentions(self, block: Block) -> Around:
        """Those of the block, of the blocks that it names, of default arguments and replacements.

        A name that means something else there is one too many, which does no harm.
        """
        if block not in self.mentioned:
            found, seen, open = of_surroundings(self.document), set[Block](), [block]
            own_blocks = self.document.file.blocks
            open += [own_blocks[verb] for verb in found.verbs if verb in own_blocks]
            while open:
                called = open.pop()
                if called in seen:
                    continue
                seen.add(called)
                if called not in self.said:
                    self.said[called] = of_block(called)
                own = self.said[called]
                found.names |= own.names
                found.functions |= own.functions
                blocks = called.file.blocks
                open += [blocks[verb] for verb in own.verbs if verb in blocks]
            rules = {**RULES, **self.document.rules}
            self.mentioned[block] = Around(
                tuple(sorted(found.names & self.document.parameters.keys())),
                tuple(sorted(found.functions & rules.keys())),
            )
        return self.mentioned[block]


def _blocks_in(value: Value) -> Iterator[Block]:
    """The blocks that a value names."""
    if isinstance(value, ItemValue):
        if value.block is not None:
            yield value.block
        yield from _blocks_in([argument for _, argument in value.arguments])
    elif isinstance(value, list):
        for part in value:
            yield from _blocks_in(part)


def _frozen(value: Value) -> Any:
    """The value in a form that is hashable and tells `1` from `true`."""
    if isinstance(value, ItemValue):
        return value.verb, value.block, _frozen(dict(value.arguments))
    if isinstance(value, dict):
        return tuple((name, _frozen(part)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(_frozen(part) for part in value)
    return type(value), value
