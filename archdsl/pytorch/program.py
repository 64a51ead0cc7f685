"""A spec to classes: one for each of its blocks, with the block's parameters, and the network's."""

import ast
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import MISSING, dataclass, replace
from functools import partial
from typing import Any

from archdsl.language.replacing import Replacements
from archdsl.language.syntax import (
    NO_MODIFIERS,
    Block,
    Item,
    Parameter,
)
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.calling import Calling
from archdsl.pytorch.class_bodies import CHANNELS, channel_names
from archdsl.pytorch.classes import Classes, rest_title
from archdsl.pytorch.entries import NTH, Listing, Value, is_taken, variable_name
from archdsl.pytorch.environment import Env, Factory, Frame, Level
from archdsl.pytorch.factories import BlockClass, Held
from archdsl.pytorch.naming import part_name, singular
from archdsl.pytorch.parameters import (
    Argument,
    axes_of,
    parts_of,
    tuples,
)
from archdsl.pytorch.placing import Placing, all_lent
from archdsl.pytorch.python import as_syntax, call, identifiers, name
from archdsl.pytorch.symbols import (
    Fixed,
    Sized,
    Symbol,
    element,
    known,
    names_in,
    same,
    symbol,
    type_of,
    variable,
)
from archdsl.pytorch.translator import Translator
from archdsl.pytorch.walks import Walk

POSITIONS = "positions"  # the argument that is the length of a sequence of tokens


def is_reserved(title: str) -> bool:
    """Whether a name is one that no argument can have."""
    return is_taken(title) or title == CHANNELS


@dataclass
class Program(Classes):
    """The classes of a network, translated from its spec."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.open: list[Block] = []
        self.reasons: dict[str, str] = {}
        self.sized = False  # whether weights depend on the size of a map
        self.known: dict[str, Any] = {}  # the document's parameters as they are

    # what the graph knows

    def mark(self) -> tuple[int, int]:
        return len(self.inits), len(self.order)

    def forget(self, mark: tuple[int, int]) -> None:
        del self.inits[mark[0] :]
        for made in self.order[mark[1] :]:
            self.titles.discard(made.title)
            self.classes = {k: c for k, c in self.classes.items() if c is not made}
        del self.order[mark[1] :]

    # blocks

    def called(
        self, block: Block, values: Mapping[str, Any], given: Mapping[str, Any],
        specs: Sequence[TensorSpec], walk: Placing, replacing: Replacements, rest: Any = None,
    ) -> tuple[ast.expr, list[Any]]:  # fmt: skip
        """A call of a class and what it gives; raises Fixed where the class does not fit.

        `rest` are the channels of all further inputs, as a list; the class then takes any number.
        """
        kinds = [(spec.rank, spec.layout) for spec in specs]
        key = (block, *kinds, rest is None, replacing)
        if key not in self.classes:
            self.classes[key] = None
            mark = self.mark()
            try:
                self.classes[key] = self.write(block, values, specs, replacing, rest is not None)
            except Fixed as error:
                self.reasons[block.name] = str(error)
                self.forget(mark)
        made = self.classes[key]
        if made is None:
            raise Fixed((), f"{block.name} has no class: {self.reasons.get(block.name)}")
        self.require_fitting(made, block, values, given)
        seen = dict(values) | {
            a.name: walk.of_document[a.source] for a in made.arguments if a.source
        }
        walk.sizing |= names_in(*(seen.get(title) for title in self.sizing(made)))
        walk.turning |= names_in(*(seen.get(title) for title in made.walk.turning))
        arguments: list[Any] = [specs[index].channels for _, index in made.channels]
        arguments += [as_syntax(tuples(rest))] if made.rest else []
        more, keywords = self.given_to(made, seen, given, walk)
        code = call(made.title, *arguments, *more, **keywords)
        return code, [self.result(value, made, seen, specs, rest) for value in made.results]

    @staticmethod
    def sizing(made: BlockClass) -> Set[str]:
        """The arguments that change the size of what a class gives."""
        sizes: list[Any] = [size for value in made.results for size in value.spec.shape]
        if None in sizes:
            return made.walk.sizing
        return made.walk.sizing & identifiers(*(s.syntax for s in sizes if isinstance(s, Symbol)))

    def require_fitting(
        self, made: BlockClass, block: Block, values: Mapping[str, Any], given: Mapping[str, Any]
    ) -> None:
        """Raises Fixed where a class holds for other values than these."""
        if made.walk.body.numbers.keys() & given.keys():
            raise Fixed((), "what a class computes from the size of its map")
        for title, value in made.fixed.items():
            if not same(values[title], value):
                raise Fixed(names_in(values[title]) - {*block.parameters})

    def written_out(self) -> list[str]:
        """The blocks that have no class, each with the reason."""
        titles = self.document.titles
        made = {key[0] for key, found in self.classes.items() if found is not None}
        without = [key[0] for key, found in self.classes.items() if found is None]
        return sorted(
            f"{titles.get(b, b.name)} ({self.reasons.get(b.name)})"
            for b in dict.fromkeys(without)
            if b not in made
        )

    def given_to(
        self, made: BlockClass, seen: Mapping[str, Any], given: Mapping[str, Any], walk: Placing
    ) -> tuple[list[Any], dict[str, Any]]:
        """What a class is given by place and by name; the walk learns what that is told."""
        arguments: list[Any] = []
        keywords: dict[str, Any] = {}
        for argument in made.arguments:
            value = seen[argument.name]
            if argument.sized and argument.name not in given:
                self.sized = True
                if isinstance(value, Symbol) and walk.body.varies(value.syntax):
                    raise Sized(identifiers(value.syntax), "a size that only forward knows")
            if argument.computed is not None and argument.name not in given:
                continue
            if argument.default is not MISSING and self.equal(value, argument.default):
                continue
            if argument.type == "float" and isinstance(value, Symbol):
                walk.floats |= value.names
            if (
                argument.type == "item"
                and isinstance(value, Symbol)
                and isinstance(value.syntax, ast.Name)
            ):
                told = made.walk.told.get(argument.name, [])
                walk.told.setdefault(value.syntax.id, []).extend(told)
                over = made.walk.activations.get(argument.name, [])
                lent = partial(all_lent, over)
                walk.activations.setdefault(value.syntax.id, []).append(lent)
            written = self.given(value, argument, made)
            if argument.required and not keywords:
                arguments.append(written)
            else:
                keywords[argument.name] = written
        return arguments, keywords

    def result(
        self, value: Any, made: BlockClass, seen: Mapping[str, Any], specs: Sequence[TensorSpec],
        rest: Any = None,
    ) -> Any:  # fmt: skip
        """What a call gives, from what the class gives."""
        channels = {title: specs[index].channels for title, index in self.named_inputs(made, specs)}
        values = {**seen, **channels, NTH: variable(NTH, "int")}
        if rest is not None and made.walk.block is not None:
            values[rest_title(made.walk.block)] = rest
        translator = Translator(values, self.functions, self.rules)
        shape = [
            translator.read(size.syntax) if isinstance(size, Symbol) else size
            for size in value.spec.shape
        ]
        spec = TensorSpec(tuple(shape), value.spec.layout)
        if isinstance(value, Listing):
            many = value.count
            many = translator.read(many.syntax) if isinstance(many, Symbol) else many
            parts = (translator.read(p.syntax) if isinstance(p, Symbol) else p for p in value.named)
            named = tuple(part if isinstance(part, Symbol) else str(part) for part in parts)
            return Listing(spec, many, value.hint, value.maker, named=named)
        return Value(spec, value.hint, value.maker, homes=value.homes)

    def named_inputs(self, made: BlockClass, specs: Sequence[TensorSpec]) -> list[tuple[str, int]]:
        assert made.walk.block is not None
        return channel_names(made.walk.block, len(specs))

    def write(
        self, block: Block, values: Mapping[str, Any], specs: Sequence[TensorSpec],
        replacing: Replacements, listed: bool = False,
    ) -> BlockClass:  # fmt: skip
        """The class of a block, with as few of its parameters fixed as can be."""
        if block in self.open or block.body is None:
            raise Fixed((), "a block in itself")
        held = Held()
        while True:
            mark = self.mark()
            self.open.append(block)
            try:
                return self.translated(block, values, specs, held, replacing, listed)
            except Fixed as error:
                self.forget(mark)
                if not self.hold(held, error, block, values):
                    raise
            finally:
                self.open.pop()

    def hold(self, held: Held, error: Fixed, block: Block, values: Mapping[str, Any]) -> bool:
        """Whether a class that cannot be had can be, where it holds for less than before."""
        names = (error.names & block.parameters.keys()) - held.fixed.keys()
        if isinstance(error, Sized):
            held.sized |= names
            return bool(names)
        lengths = {n: self.length(block, n, values[n]) for n in names - held.lengths.keys()}
        lengths = {n: length for n, length in lengths.items() if length}
        held.lengths |= lengths
        if not lengths and known(*(values[n] for n in names)):
            held.fixed |= {n: values[n] for n in names}
            return bool(names)
        return bool(lengths)

    def length(self, block: Block, title: str, value: Any) -> int:
        """The length that a list for a parameter has in every use; 0 if it has several."""
        found = [*self.said(block, title), value]
        lengths = {
            items.length if isinstance(items, Symbol) else len(items)
            for items in found
            if isinstance(items, Symbol | list | tuple)
        }
        return lengths.pop() or 0 if len(lengths) == 1 else 0

    def translated(
        self, block: Block, values: Mapping[str, Any], specs: Sequence[TensorSpec],
        held: Held, replacing: Replacements, listed: bool = False,
    ) -> BlockClass:  # fmt: skip
        if any(map(is_reserved, block.parameters)):
            raise Fixed((), "a parameter that no argument can be called as")
        document = self.seen(block)
        names = frozenset({*block.parameters, *document, CHANNELS})
        uses = self.uses_of(self.document.titles.get(block, ""), replacing)
        walk = Walk(self, uses, names, document)
        walk.block, walk.file, walk.replacing = block, block.file, replacing
        env_values: dict[str, Any] = dict(walk.outer(block.file))
        arguments: list[Argument] = []
        channels = channel_names(block, len(specs))
        inputs: list[Any] = [
            walk.body.value(self.of_any_size(title, specs[index])) for title, index in channels
        ]
        if listed:
            inputs.append(self.further(block, walk, inputs))
        x = inputs[0] if len(inputs) == 1 else tuple(inputs)
        level = Level(walk.body.top, "")
        for title, parameter in block.parameters.items():
            if title in held.fixed:
                env_values[title] = held.fixed[title]
                continue
            defining = Env(block.file, Frame(level, x), dict(env_values), x)
            argument = self.argument(parameter, values[title], defining, walk, block)
            if argument.computed is not None and walk.body.varies(argument.computed.syntax):
                if title not in held.sized:
                    env_values[title] = walk.body.measured(title, argument.computed)
                    continue
                argument.computed, argument.sized = None, True
            arguments.append(argument)
            env_values[title] = self.symbol_of(argument)
            if title in held.lengths:
                walk.body.holds_for(env_values[title], held.lengths[title], names)
                parts = (element(env_values[title], n) for n in range(held.lengths[title]))
                env_values[title] = [*parts]
        arguments += self.of_document(document)
        frame = Frame(level, x, 0, None, walk.by_input(block, x))
        env = Env(block.file, frame, env_values, x)
        return self.finished(block, walk, env, inputs, channels, arguments, held.fixed)

    def of_document(self, document: Mapping[str, Any]) -> Iterator[Argument]:
        """The arguments that a class has of the document's parameters."""
        for source, value in document.items():
            if isinstance(value, Symbol) and isinstance(value.syntax, ast.Name):
                default = self.known[source]
                yield Argument(value.syntax.id, value.type, default, None, source)

    @staticmethod
    def of_any_size(channels: str, spec: TensorSpec) -> TensorSpec:
        """A map like another, of as many channels as an argument says, and of any size."""
        symbol, unknown = variable(channels, "int"), (None,) * spec.rank
        shape = (symbol, *unknown) if spec.layout == "channels_first" else (*unknown, symbol)
        return TensorSpec(shape, spec.layout)  # type: ignore[arg-type]

    @staticmethod
    def further(block: Block, walk: Walk, inputs: Sequence[Value]) -> Listing:
        """All further inputs of a block, which are maps as its first."""
        title = rest_title(block)
        each = symbol(ast.Subscript(name(title), name(NTH)), "int")
        each = replace(each, names=frozenset([title]))
        first = inputs[0].spec if inputs else TensorSpec((0, 0, 0))
        unknown: tuple[Any, ...] = (None,) * first.rank
        sizes: tuple[Any, ...] = (each, *unknown)
        last = first.layout == "channels_last"
        spec = TensorSpec(sizes[::-1] if last else sizes, first.layout)
        many = replace(symbol(call("len", name(title)), "int"), names=frozenset([title]))
        return walk.body.listing(spec, many, variable_name(block.rest))

    def part(
        self, item: Item, env: Env, title: str, path: str | None, walk: Calling
    ) -> tuple[ast.expr, list[Value]]:
        """A call of a class of its own for a part, and what it gives.

        It stands under a title, at a path if it stands there alone.
        """
        spec = env.first.spec
        part, paths = part_name(path or title), [] if path is None else [path]
        part = part if paths else singular(part) or part  # one of several
        block = Block(part, env.file, item.place, body=replace(item, modifiers=NO_MODIFIERS))
        prefixes = [full for one in paths for full in self.paths(one, walk.prefixes)]
        inner = Walk(self, prefixes, frozenset(env.values), {})
        inner.block, inner.file, inner.standards = block, env.file, walk.standards
        inner.replacing = walk.replaced_at(env, title)
        arguments, values = [], {}
        for name_, value in {**walk.of_document, **env.values}.items():
            values[name_] = value
            if isinstance(value, Symbol) and value.type != "item":
                arguments.append(Argument(name_, value.type))
                shown = [0] * value.length if value.length else None
                values[name_] = replace(variable(name_, value.type, shown, value.length))
        inner.of_document = {n: values[n] for n in walk.of_document}
        sizes: tuple[Any, ...] = (None,) * spec.rank
        given = {**walk.of_document, **env.values}
        if spec.layout == "channels_last" and spec.rank == 1 and POSITIONS not in given:
            given[POSITIONS], sizes = spec.shape[0], (variable(POSITIONS, "int"),)
            arguments.append(Argument(POSITIONS, "int"))
        elif env.guard is None and known(*spec.spatial):
            sizes = spec.spatial
        symbol = variable(CHANNELS, "int")
        shape = (symbol, *sizes) if spec.layout == "channels_first" else (*sizes, symbol)
        x = inner.body.value(TensorSpec(shape, spec.layout))
        given_too = x if env.x is env.frame.given else None  # else `input` is something else
        there = Env(env.file, Frame(Level(inner.body.top, ""), given_too), values, x)
        made = self.finished(block, inner, there, [x], [(CHANNELS, 0)], arguments, {})
        passed = {a.name: as_syntax(given[a.name]) for a in made.arguments}
        walk.body.require_constant(*passed.values())
        fractions = [given[a.name] for a in made.arguments if a.type == "float"]
        walk.floats |= names_in(*fractions)
        code = call(made.title, *[spec.channels for _ in made.channels], **passed)
        return code, [self.result(value, made, given, [spec]) for value in made.results]

    def seen(self, block: Block) -> dict[str, Any]:
        """The document's parameters as a class of a block sees them: as further arguments."""
        taken, seen = {*block.parameters, CHANNELS}, {}
        for title, value in self.known.items():
            fixed = isinstance(value, Factory) or title in self.fixed or is_reserved(title)
            shown = f"network_{title}" if title in taken else title
            seen[title] = value if fixed else self.of_value(shown, value)
        return seen

    @staticmethod
    def of_value(title: str, value: Any) -> Any:
        length = len(value) if isinstance(value, list) else None
        return variable(title, type_of(value), value, length)

    def argument(
        self, parameter: Parameter, value: Any, env: Env, walk: Walk, block: Block
    ) -> Argument:
        """A parameter of a block as an argument of its class."""
        title = parameter.name
        default: Any = MISSING
        if isinstance(value, Factory) or (isinstance(value, Symbol) and value.type == "item"):
            if not parameter.required:
                default = walk.factory(parameter.default, env)
            standard = default if isinstance(default, Factory) else value
            if not isinstance(standard, Factory):
                raise Fixed((title,), "no standard")
            if isinstance(value, Factory) and value.block is None:
                value = self.plain(value, title, walk)
            standard = self.plain(standard, title, walk) if standard.block is None else standard
            walk.standards[title] = standard
            return Argument(title, "item", default)
        kind = parameter.type or type_of(value)
        said = [*self.said(block, title), *([value] if known(value) else [])]
        if not parameter.required:
            default = walk.parameter(parameter, parameter.default, env)
            said += [default] if known(default) else []
        if parameter.type is None and {type_of(v) for v in said} == {"int", "list"}:
            kind = "axes"
        shape: dict[str, Any] = {"axes": axes_of(said), "parts": parts_of(said)}
        if parameter.required:
            return Argument(title, kind, **shape)
        if parameter.type is None and isinstance(default, str):
            kind = "str"
        if isinstance(default, Symbol) or not known(default):
            if not isinstance(default, Symbol):
                raise Fixed((title,), "a list that is computed")
            kind = kind if parameter.type else default.type
            return Argument(title, kind, MISSING, default, **shape)
        return Argument(title, kind, default, **shape)

    def plain(self, value: Factory, title: str, walk: Walk) -> Factory:
        """An op given for a parameter, or the op that stands for it everywhere in the class."""
        if not walk.replacing.uniform:
            raise Fixed((title,), "what is replaced depends on a path")
        try:
            return self.standing_for(value, walk)
        except Fixed as error:
            raise Fixed((title,), str(error)) from error
