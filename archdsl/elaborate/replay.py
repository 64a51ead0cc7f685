"""Elaborated blocks, kept to be replayed: for later calls, and other settings of a document."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from archdsl.elaborate.builder import Recorded
from archdsl.elaborate.env import ItemValue
from archdsl.expressions.expression import Value
from archdsl.expressions.scaling import RULES, Function
from archdsl.language.mentions import Mentions, of_block, of_surroundings
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
        self.rules = {**RULES, **document.rules}
        self.everywhere = of_surroundings(document)
        known = document.file.blocks
        for called in [known[verb] for verb in self.everywhere.verbs if verb in known]:
            around = self.mentions(called)
            self.everywhere.names.update(around.parameters)
            self.everywhere.functions.update(around.functions)
        self.mentioned.clear()  # that of the first does not have what the others mention

    def key(
        self,
        block: Block,
        arguments: Mapping[str, Value],
        inputs: tuple[TensorSpec, ...],
        parameters: Mapping[str, Value],
        functions: Mapping[str, Function],
        beside: tuple[Any, ...],
    ) -> Key:
        """What the nodes of a block follow from; `beside` is what acts on all of its ops."""
        around: list[Any] = [*beside]
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
            self._mention(block)
        return self.mentioned[block]

    def _mention(self, block: Block) -> None:
        """Finds what a block and those that it names mention, each of them once.

        Blocks that name one another mention the same (Tarjan 1972: `order` is when a block was
        met, `first` the earliest that it leads back to, `open` those not yet known).
        """
        order, first, open = {block: 0}, {block: 0}, [block]
        way = [(block, iter(self._named(block)))]
        while way:
            at, named = way[-1]
            for other in (one for one in named if one not in self.mentioned):
                if other not in order:
                    order[other] = first[other] = len(order)
                    open.append(other)
                    way.append((other, iter(self._named(other))))
                    break
                first[at] = min(first[at], order[other])
            else:
                way.pop()
                for before, _ in way[-1:]:
                    first[before] = min(first[before], first[at])
                if first[at] == order[at]:
                    ring = [open.pop()]
                    while ring[-1] is not at:
                        ring.append(open.pop())
                    self._settle(ring)

    def _named(self, block: Block) -> list[Block]:
        """The blocks that a block names."""
        if block not in self.said:
            self.said[block] = of_block(block)
        known = block.file.blocks
        return [known[verb] for verb in self.said[block].verbs if verb in known]

    def _settle(self, ring: list[Block]) -> None:
        """Keeps what some blocks mention that name one another, if they are more than one."""
        names, functions = set(self.everywhere.names), set(self.everywhere.functions)
        for block in ring:
            names |= self.said[block].names
            functions |= self.said[block].functions
        names &= self.document.parameters.keys()
        functions &= self.rules.keys()
        for other in (other for block in ring for other in self._named(block)):
            if other in self.mentioned:
                names.update(self.mentioned[other].parameters)
                functions.update(self.mentioned[other].functions)
        around = Around(tuple(sorted(names)), tuple(sorted(functions)))
        self.mentioned.update(dict.fromkeys(ring, around))


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
