"""A spec to classes: one for each of its blocks, with the block's parameters, and the network's."""

import ast
from collections.abc import Mapping, Sequence, Set
from dataclasses import MISSING, dataclass, replace
from functools import partial
from typing import Any

from archdsl.expressions.scaling import Rule
from archdsl.language.replacing import Replacements
from archdsl.language.syntax import (
    NO_MODIFIERS,
    Block,
    Formula,
    Item,
    Parameter,
)
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.body import NTH, Listing, Value, is_taken, variable_name
from archdsl.pytorch.calling import Calling
from archdsl.pytorch.chains import BEFORE
from archdsl.pytorch.class_bodies import CHANNELS, channel_names, class_body
from archdsl.pytorch.environment import Env, Factory, Frame, Level
from archdsl.pytorch.factories import BlockClass, Factories, Group, Held
from archdsl.pytorch.naming import class_name, part_name, singular
from archdsl.pytorch.parameters import (
    Argument,
    annotation,
    axes_of,
    fraction,
    needed,
    parts_of,
    plain_default,
    shown_value,
    tuples,
)
from archdsl.pytorch.placing import Placing, all_lent
from archdsl.pytorch.python import as_syntax, assign, call, function, identifiers, name
from archdsl.pytorch.returning import documented, group_class
from archdsl.pytorch.sizes import expanded
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
FUNCTIONS = {  # that sizes call
    "int", "len", "list", "make_divisible", "math", "max", "min", "range", "sum",
}  # fmt: skip


def is_reserved(title: str) -> bool:
    """Whether a name is one that no argument can have."""
    return is_taken(title) or title == CHANNELS


@dataclass
class Program(Factories):
    """The classes of a network, translated from its spec."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.functions: Mapping[str, Any] = self.written.functions
        self.rules: dict[str, Rule] = {}
        self.order: list[BlockClass | Group] = []
        self.open: list[Block] = []
        self.reasons: dict[str, str] = {}
        self.sized = False  # whether weights depend on the size of a map
        self.titles = set(self.reserved)
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
            return Listing(spec, many, value.hint, value.maker)
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
        inputs: list[Any] = []
        for title, index in channels:
            spec = specs[index]
            symbol = variable(title, "int")
            unknown = (None,) * spec.rank
            shape = (symbol, *unknown) if spec.layout == "channels_first" else (*unknown, symbol)
            inputs.append(walk.body.value(TensorSpec(shape, spec.layout)))  # type: ignore[arg-type]
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
        for source, value in document.items():
            if isinstance(value, Symbol) and isinstance(value.syntax, ast.Name):
                default = self.known[source]
                arguments.append(Argument(value.syntax.id, value.type, default, None, source))
        frame = Frame(level, x, 0, None, walk.by_input(block, x))
        env = Env(block.file, frame, env_values, x)
        return self.finished(block, walk, env, inputs, channels, arguments, held.fixed)

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

    @staticmethod
    def symbol_of(argument: Argument) -> Symbol:
        return replace(variable(argument.name, argument.type), parts=argument.parts)

    def finished(
        self, block: Block, walk: Walk, env: Env, inputs: list[Any],
        channels: list[tuple[str, int]], arguments: list[Argument], fixed: Mapping[str, Any],
    ) -> BlockClass:  # fmt: skip
        assert block.body is not None
        base, body, results = class_body(walk, block, env, inputs)
        homes = [tuple(p for p, v in walk.values.items() if v is value) for value in results]
        lets = {**walk.body.lets, **walk.body.endings}
        seen = {a.name: self.symbol_of(a) for a in arguments}
        seen |= {title: variable(title, "int") for title in (*channels_of(channels), BEFORE, NTH)}
        listed = any(isinstance(value, Listing) for value in inputs)
        seen |= {rest_title(block): variable(rest_title(block), "list")} if listed else {}
        walk.body.require_constant(*body[0].body)
        results = [
            replace(self.plainly(expanded(unmeasured(walk, value), lets), seen), homes=paths)
            for value, paths in zip(results, homes, strict=True)
        ]
        self.require_sizes(results, seen.keys() - {BEFORE})
        used = identifiers(*body[0].body)
        kept = needed(arguments, used)
        taken = [(title, index) for title, index in channels if title in used]
        kept.sort(key=lambda argument: not argument.required)
        rest = rest_title(block) if listed and rest_title(block) in used else ""
        is_part = block not in self.document.titles
        sized = [argument.name for argument in kept if argument.sized]
        notes = described(block, walk, fixed, sized, "part" if is_part else "block")
        constructor = self.constructor(taken, kept, body[0].body, walk, rest)
        declared = walk.body.declared()
        members: list[ast.stmt] = [documented(notes), *declared, constructor, *body[1:]]
        node = ast.ClassDef("", [name(base)], [], members, [])
        alike = self.alike(node) if is_part else ""
        if not alike:
            title = class_name(self.document.titles.get(block, block.name))
            many = block.rest and not listed
            node.name = self.free(f"{title}Of{len(inputs)}Maps" if many else title)
        title = alike or node.name
        made = BlockClass(title, walk, kept, taken, dict(fixed), results, node, env.values, rest)
        self.order += [] if alike else [made]
        return made

    def require_sizes(self, results: Sequence[Any], said: Set[str]) -> None:
        """Raises Fixed for results whose shapes read what is not said where the class is used."""
        for value in results:
            sizes: list[Any] = [size for size in value.spec.shape if isinstance(size, Symbol)]
            read = identifiers(*(size.syntax for size in sizes))
            if not read <= said | FUNCTIONS | {*self.rules}:
                raise Fixed((), f"what it gives depends on {sorted(read - said)}")

    def alike(self, node: ast.ClassDef) -> str:
        """The class of another part that is the same but for its name; "" if there is none."""
        for other in self.order:
            if isinstance(other, BlockClass) and other.walk.block not in self.document.titles:
                same_base = ast.dump(other.node.bases[0]) == ast.dump(node.bases[0])
                if same_base and dumped(other.node.body[1:]) == dumped(node.body[1:]):
                    return other.title
        return ""

    def plainly(self, value: Value, shown: Mapping[str, Symbol]) -> Value:
        """A result without what cannot be reached in its sizes."""
        shape = []
        for size in value.spec.shape:
            try:
                read = Translator(shown, self.functions, self.rules).read
                shape.append(read(size.syntax) if isinstance(size, Symbol) else size)
            except (Fixed, KeyError):
                shape.append(size)
        return replace(value, spec=TensorSpec(tuple(shape), value.spec.layout))

    def grouped(self, key: str, types: Mapping[str, str]) -> str:
        """The class of a container of containers: that of any other which holds the same."""
        node = group_class(key, types)
        for other in self.order:
            if isinstance(other, Group) and dumped(other.node.body[1:]) == dumped(node.body[1:]):
                return other.title
        node.name = self.free(class_name(part_name(key) if key.isdecimal() else key))
        self.order.append(Group(node.name, node))
        return node.name

    def constructor(
        self, channels: Sequence[tuple[str, int]], arguments: Sequence[Argument],
        body: Sequence[ast.stmt], walk: Walk, rest: str = "",
    ) -> ast.FunctionDef:  # fmt: skip
        """`__init__` with its arguments, and what computes those that nobody gives."""
        given = [ast.arg("self"), *(ast.arg(title, name("int")) for title, _ in channels)]
        given += [ast.arg(rest, ast.Subscript(name("Sequence"), name("int")))] if rest else []
        defaults: list[ast.expr] = []
        computed: list[ast.stmt] = []
        order = {a.name: n for n, a in enumerate(arguments)}
        for argument in sorted(arguments, key=lambda a: (not a.required, order[a.name])):
            argument.type = fraction(argument, walk)
            kind = annotation(argument)
            if argument.computed is not None:
                kind = ast.BinOp(kind, ast.BitOr(), ast.Constant(None))
                defaults.append(ast.Constant(None))
                test = ast.Compare(name(argument.name), [ast.Is()], [ast.Constant(None)])
                computed.append(ast.If(test, [assign(argument.name, argument.computed)], []))
            elif argument.default is not MISSING:
                defaults.append(self.default(argument, walk))
            given.append(ast.arg(argument.name, kind))
        return function("__init__", given, defaults, ast.Constant(None), [*computed, *body])

    def default(self, argument: Argument, walk: Walk) -> ast.expr:
        if argument.type == "item":
            return self.factory(argument.default, argument.name, walk)
        return as_syntax(plain_default(argument))

    def free(self, title: str) -> str:
        if title[:1].isdecimal():
            title = f"Part{title}"
        free, number = title, 2
        while free in self.titles or is_taken(free):
            free, number = f"{title}{'Block' if number == 2 else number}", number + 1
        self.titles.add(free)
        return free


def rest_title(block: Block) -> str:
    """The argument that is the channels of all further inputs."""
    title = f"{variable_name(block.rest)}_channels"
    taken = {*block.parameters, *(n for n, _ in channel_names(block, len(block.inputs)))}
    while title in taken:
        title += "_"
    return title


def described(
    block: Block, walk: Walk, fixed: Mapping[str, Any], sized: Sequence[str], what: str
) -> list[str]:
    """What a class says of itself: what it is, which parameters cannot vary in it, and which are
    of the size of its map.
    """
    said = {title: shown_value(value) for title, value in fixed.items()}
    notes = [block.form.doc or f"The {what} `{block.name}`."]
    for title in walk.body.numbers:
        default = block.parameters[title].default
        said[title] = default.text if isinstance(default, Formula) else title
    if sized:
        notes += ["", f"By the size of the map: {', '.join(sized)}."]
    order = sorted(said, key=lambda n: ([*block.parameters, n].index(n), n))
    shown = ", ".join(f"{n} {said[n]}" for n in order)
    return [*notes, "", f"Fixed: {shown}."] if said else notes


def unmeasured(walk: Walk, value: Any) -> Any:
    """A result without the sizes that only `forward` knows."""
    sizes = [
        None if isinstance(size, Symbol) and walk.body.varies(size.syntax) else size
        for size in value.spec.spatial
    ]
    last, channels = value.spec.layout == "channels_last", value.spec.channels
    shape = (*sizes, channels) if last else (channels, *sizes)
    return replace(value, spec=TensorSpec(tuple(shape), value.spec.layout))


def dumped(statements: list[ast.stmt]) -> str:
    return ast.dump(ast.Module(statements, []))


def channels_of(channels: Sequence[tuple[str, int]]) -> set[str]:
    return {title for title, _ in channels}
