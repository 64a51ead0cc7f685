"""Elaborated blocks, kept to be replayed: for later calls, and other settings of a document."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from archdsl.elaborate.budget import Budget
from archdsl.elaborate.builder import Recorded
from archdsl.elaborate.env import ItemValue
from archdsl.expressions.expression import Value
from archdsl.expressions.scaling import RULES, Function
from archdsl.language.mentions import Mentions, of_block, of_surroundings
from archdsl.language.syntax import USE, Block, Document, as_written, items_in
from archdsl.ops.tensor import TensorSpec
from archdsl.yaml.limits import Limits

MAX_NODES = 200_000  # in all that is kept of a document
MAX_COMMON = 5_000  # in all that is kept of the library for documents of one kind
MAX_KINDS = 16  # of documents, by what acts on all ops


class Around(NamedTuple):
    """The document's parameters and scaling rules that a block, or one it calls, might use.

    `common` says whether they are of the library and give a document nothing but nodes.
    """

    parameters: tuple[str, ...]
    functions: tuple[str, ...]
    common: bool = False


class Key(NamedTuple):
    """What the nodes of a block follow from: `around` is what it mentions of the document.

    `common` says whether that is all, so that they are the same in other documents.
    """

    block: Block
    arguments: tuple[Any, ...]
    inputs: tuple[TensorSpec, ...]
    around: tuple[Any, ...]
    common: bool


class Store:
    """Elaborated blocks by their keys, of so many nodes at most."""

    def __init__(self, most: int) -> None:
        self.kept: dict[Any, Recorded] = {}
        self.most, self.nodes = most, 0

    def keep(self, key: Any, recorded: Recorded) -> None:
        """Keeps an elaborated block; where that is too much, those before it are forgotten."""
        self.nodes += len(recorded.nodes)
        if self.nodes > self.most:
            self.kept.clear()
            self.nodes = len(recorded.nodes)
        self.kept[key] = recorded


# blocks of the library, which all documents of a process share, by what acts on all of their ops
COMMON: dict[Any, Store] = {}


class Records:
    """Elaborated blocks of a document, by all that their nodes follow from.

    That is the block, its arguments, the shapes of its inputs, and the values of what it mentions
    of the document; so they are good for every setting of it, under the same limits. Those of the
    library are good for other documents, too, that have the same default arguments: with `limits`,
    they are taken from what all have in common, and added to it.
    """

    def __init__(self, document: Document, limits: Limits | None = None) -> None:
        self.document = document
        self.own = Store(MAX_NODES)
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
        self.common = None if limits is None else self._common(limits)

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
        common = self.common is not None
        verbs = [value for value in arguments.values() if isinstance(value, ItemValue | list)]
        for called in (block, *_blocks_in(verbs)):
            mentions = self.mentions(called)
            common &= mentions.common
            around.append(mentions)
            around += [_frozen(parameters.get(name)) for name in mentions.parameters]
            around += [functions.get(name) for name in mentions.functions]
        said = tuple([_frozen(value) for value in arguments.values()])
        return Key(block, said, inputs, tuple(around), common)

    def keep(self, key: Key, recorded: Recorded) -> None:
        """Keeps an elaborated block."""
        self.own.keep(key, recorded)
        if key.common and self.common is not None:
            self.common.keep(key, recorded)

    def find(self, key: Key, budget: Budget) -> Recorded | None:
        """What is kept of a block; what it took to read is spent where it is new to a document."""
        known = self.own.kept.get(key)
        if known is None and key.common and self.common is not None:
            known = self.common.kept.get(key)
            if known is not None:
                self.own.keep(key, known)
                budget.reads += known.reads
        return known

    def _common(self, limits: Limits) -> Store | None:
        """What documents share that do the same to all ops; None where that is one's own."""
        document, file = self.document, self.document.file
        if document.replacements or document.settled:
            return None
        if not self.everywhere.verbs.isdisjoint(file.blocks):
            return None
        arguments = (
            (verb, name, one) for verb in file.defaults for name, one in file.defaults[verb].items()
        )
        said = tuple([(verb, name, _frozen(as_written(one))) for verb, name, one in arguments])
        known = ((b, title) for b, title in document.titles.items() if b.file.common)
        titles = tuple([(block, title) for block, title in known if title != block.name])
        if len(COMMON) > MAX_KINDS:
            COMMON.clear()
        return COMMON.setdefault((limits, said, titles), Store(MAX_COMMON))

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
        common = all(_gives_nodes_only(block) for block in ring)
        names &= self.document.parameters.keys()
        functions &= self.rules.keys()
        for other in (other for block in ring for other in self._named(block)):
            if other in self.mentioned:
                names.update(self.mentioned[other].parameters)
                functions.update(self.mentioned[other].functions)
                common &= self.mentioned[other].common
        around = Around(tuple(sorted(names)), tuple(sorted(functions)), common)
        self.mentioned.update(dict.fromkeys(ring, around))


def _gives_nodes_only(block: Block) -> bool:
    """Whether a block is of the library, and nothing in it has a name in the document or counts."""
    return (
        block.file.common
        and block.body is not None
        and not any(
            item.verb == USE or item.modifiers.aux or item.modifiers.names
            for item in items_in(block.body)
        )
    )


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
    if isinstance(value, int | float | str):
        return type(value), value
    if isinstance(value, ItemValue):
        return value.verb, value.block, _frozen(dict(value.arguments))
    if isinstance(value, dict):
        return tuple((name, _frozen(part)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(_frozen(part) for part in value)
    return type(value), value
