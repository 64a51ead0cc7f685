"""A spec to classes: one for each of its blocks, with the block's parameters, and the network's."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, replace
from functools import cached_property
from typing import Any

from archdsl.expressions.scaling import Rule
from archdsl.graph.graph import Graph
from archdsl.language.mentions import Mentions
from archdsl.language.syntax import (
    NO_MODIFIERS,
    Block,
    Item,
    Listed,
    Literal,
    Parameter,
    items_in,
    written_in,
)
from archdsl.language.written import Written
from archdsl.modules.structure import Structure
from archdsl.ops import OPS
from archdsl.ops.init import Init
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.body import TAKEN, Value, expanded, variable_name
from archdsl.pytorch.chains import Parts, equal, leaves
from archdsl.pytorch.environment import Env, Factory, Frame, Level, takes_channels
from archdsl.pytorch.naming import class_name
from archdsl.pytorch.operations import module_of, settle, torch_call, writing_over
from archdsl.pytorch.python import as_syntax, assign, call, function, identifiers, name
from archdsl.pytorch.returning import base_of, documented, initial
from archdsl.pytorch.symbols import (
    Fixed,
    Symbol,
    Translator,
    known,
    names_in,
    same,
    type_of,
    variable,
)
from archdsl.pytorch.walks import Walk

CHANNELS = "in_channels"
POSITIONS = "positions"  # the argument that is the length of a sequence of tokens
RESERVED = TAKEN | {CHANNELS}  # names that no argument can have


@dataclass(eq=False)
class Argument:
    """An argument of a constructor: its default, computed in the constructor if `computed`."""

    name: str
    type: str
    default: Any = field(default_factory=lambda: MISSING)  # a known value, a Factory, or MISSING
    computed: Symbol | None = None
    source: str = ""  # the parameter of the document that it is

    @property
    def required(self) -> bool:
        return self.default is MISSING and self.computed is None


@dataclass(eq=False)
class BlockClass:
    """The class of a block: how to call it, and what it gives in terms of its arguments."""

    title: str
    walk: Walk
    arguments: list[Argument]
    channels: list[tuple[str, int]]  # the arguments that are channels of inputs
    fixed: Mapping[str, Any]
    results: list[Value]
    node: ast.ClassDef
    values: Mapping[str, Any]


@dataclass
class Program:
    """The classes of a network, translated from its spec."""

    graph: Graph
    written: Written
    reserved: frozenset[str]
    fixed: Mapping[str, Any] = field(default_factory=dict)  # parameters of the document

    def __post_init__(self) -> None:
        self.document = self.written.document
        self.functions: Mapping[str, Any] = self.written.functions
        self.rules: dict[str, Rule] = {}
        self.inits: list[tuple[str, Init | None, ast.Call]] = []
        self.classes: dict[Any, BlockClass | None] = {}
        self.order: list[BlockClass] = []
        self.open: list[Block] = []
        self.reasons: dict[str, str] = {}
        self.keeps_aux = True
        self.sized = False  # whether weights depend on the size of a map
        self.structure = Structure(self.graph)
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

    @cached_property
    def keys(self) -> frozenset[str]:
        """The names that stand in the document and its blocks."""
        templates = [template for template, _ in self.document.file.written]
        for block in self.document.titles:
            if block.body is not None:
                templates += [i.key for i in items_in(block.body) if i.key is not None]
        return frozenset(t.text for t in templates if not t.expressions)

    @cached_property
    def uses(self) -> dict[str, list[str]]:
        """The scopes of every block, by its title in the graph."""
        found: dict[str, list[str]] = {}
        for scope in self.graph.scopes:
            if scope.block and scope is self.structure.first[scope.path]:
                found.setdefault(scope.block, []).append(scope.id)
        return found

    @cached_property
    def spans(self) -> dict[Any, bool]:
        """Whether all activations that a place in the spec makes write over their input."""
        found: dict[Any, bool] = {}
        for node in self.graph.nodes:
            if node.op.storage(node.output, *self.graph.specs(node)).over is not None:
                over = node.id in self.structure.overwriting
                found[node.span] = over and found.get(node.span, True)
        return found

    def may_overwrite(self, span: Any) -> bool | None:
        """Whether what is written at a place writes over its input; None if nothing came of it."""
        return self.spans.get(span)

    @staticmethod
    def paths(path: str, prefixes: Sequence[str]) -> Iterator[str]:
        for prefix in prefixes:
            yield f"{prefix}.{path}" if prefix and path else prefix or path

    @cached_property
    def opened(self) -> frozenset[str]:
        """How references say that in which they name something: `a` and `a.b` of `a.b.c`."""
        bodies = [b.body for b in self.document.titles if b.body is not None]
        bodies += [item for items in self.document.sections.values() for item in items.items]
        said = Mentions()
        for body in bodies:
            for item in items_in(body):
                said.add(written_in(item))
        names = [t.text.split(".") for t in said.references if not t.expressions]
        return frozenset(".".join(parts[:n]) for parts in names for n in range(1, len(parts)))

    def is_opened(self, path: str) -> bool:
        """Whether a reference may name what stands in the item at a path."""
        parts = path.split(".")
        return any(".".join(parts[n:]) in self.opened for n in range(len(parts)))

    def is_closed(self, path: str, prefixes: Sequence[str]) -> bool:
        structure = self.structure
        found = [p for p in self.paths(path, prefixes) if p in structure.inputs]
        return not self.is_opened(path) and all(
            len(structure.inputs[p]) == 1 and len(structure.outputs[p]) <= 1 for p in found
        )

    def gives(self, path: str, prefixes: Sequence[str]) -> int:
        found = [p for p in self.paths(path, prefixes) if p in self.structure.outputs]
        return max([len(self.structure.outputs[p]) for p in found], default=0)

    def given_by(self, path: str, prefixes: Sequence[str]) -> list[str]:
        found = [p for p in self.paths(path, prefixes) if p in self.structure.outputs]
        return [id for p in found if len(self.structure.outputs[p]) == 1
                for id in self.structure.outputs[p]]  # fmt: skip

    def refined(self, spec: TensorSpec, path: str, prefixes: Sequence[str]) -> TensorSpec:
        """With sizes that are not known as the graph has them, if all uses have the same."""
        if None not in spec.shape or not path:
            return spec
        ids = [
            id
            for p in self.paths(path, prefixes)
            for id in ([p] if p in self.graph.by_id else self.structure.outputs.get(p, ()))
        ]
        shapes = {self.graph.spec(id).shape for id in ids}
        found = shapes.pop() if len(shapes) == 1 else ()
        if len(found) != len(spec.shape):
            return spec
        filled = (b if a is None else a for a, b in zip(spec.shape, found, strict=True))
        return TensorSpec(tuple(filled), spec.layout)

    # blocks

    def called(
        self, block: Block, values: Mapping[str, Any], given: Mapping[str, Any],
        specs: Sequence[TensorSpec], walk: Walk,
    ) -> tuple[ast.expr, list[Value]]:  # fmt: skip
        """A call of a class and what it gives; raises Fixed where the class does not fit."""
        key = (block, *((spec.rank, spec.layout) for spec in specs))
        if key not in self.classes:
            self.classes[key] = None
            mark = self.mark()
            try:
                self.classes[key] = self.write(block, values, specs)
            except Fixed as error:
                self.reasons[block.name] = str(error)
                self.forget(mark)
        made = self.classes[key]
        if made is None:
            raise Fixed((), f"{block.name} has no class: {self.reasons.get(block.name)}")
        for title, value in made.fixed.items():
            if not same(values[title], value):
                raise Fixed(names_in(values[title]) - {*block.parameters})
        seen = dict(values) | {
            a.name: walk.of_document[a.source] for a in made.arguments if a.source
        }
        walk.sizing |= names_in(*(seen.get(title) for title in made.walk.sizing))
        walk.turning |= names_in(*(seen.get(title) for title in made.walk.turning))
        arguments: list[Any] = [specs[index].channels for _, index in made.channels]
        keywords: dict[str, Any] = {}
        for argument in made.arguments:
            value = seen[argument.name]
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
                over = made.walk.activations.get(argument.name, [])
                walk.activations.setdefault(value.syntax.id, []).append(bool(over) and all(over))
            written = self.given(value, argument, made)
            if argument.required and not keywords:
                arguments.append(written)
            else:
                keywords[argument.name] = written
        code = call(made.title, *arguments, **keywords)
        return code, [self.result(value, made, seen, specs) for value in made.results]

    @staticmethod
    def equal(value: Any, default: Any) -> bool:
        if isinstance(value, Factory) and isinstance(default, Factory):
            pair = (value.arguments, default.arguments)
            return (value.verb, value.block) == (default.verb, default.block) and (
                pair[0].keys() == pair[1].keys()
                and all(same(pair[0][n], pair[1][n]) for n in pair[0])
            )
        if isinstance(value, Factory) or isinstance(default, Factory):
            return False
        return same(value, default)

    def given(self, value: Any, argument: Argument, made: BlockClass) -> Any:
        """The expression of an argument."""
        if argument.type == "item":
            return self.factory(value, argument.name, made.walk)
        if isinstance(value, Factory):
            raise Fixed((), "a verb where none is expected")
        if argument.type == "str" and value == "same":
            raise Fixed((), "padding as TensorFlow's")
        if argument.type == "int" and (type_of(value) not in ("int", "bool")):
            raise Fixed(names_in(value), "a list or number where a whole number is expected")
        if argument.type == "float" and type(value) is int:
            return as_syntax(float(value))
        return as_syntax(tuples(value))

    def factory(self, value: Any, title: str, walk: Walk) -> ast.expr:
        """What makes modules: `nn.ReLU`, `partial(nn.ReLU, inplace=True)`, a class."""
        if isinstance(value, Symbol):
            return value.syntax
        standard = walk.standards[title]
        if value.block is not None:
            if standard.block is None:
                raise Fixed((), "a block where an op is expected")
            return self.block_factory(value, standard, walk)
        op = OPS[value.verb]
        if standard.block is not None or takes_channels(op):
            raise Fixed((), "an op where a block is expected")
        arguments = {**self.defaults(value.verb, walk), **value.arguments}
        made = settle(op, arguments, TensorSpec((1, 1, 1)))
        written = torch_call(made, [TensorSpec((1, 1, 1))])
        if written.form != "module":
            raise Fixed((), "no module")
        code = module_of(written)
        over = walk.activations.get(title, [])
        flag = writing_over(made)
        if flag is not None and over and all(over):
            code.keywords.append(ast.keyword("inplace", flag))
        if not code.args and not code.keywords:
            return code.func
        keywords = {keyword.arg or "": keyword.value for keyword in code.keywords}
        return call("partial", code.func, *code.args, **keywords)

    def defaults(self, verb: str, walk: Walk) -> Mapping[str, Any]:
        """The default arguments of an op, which no parameter can reach here."""
        found: dict[str, Any] = {}
        for file in (walk.file, self.document.file):
            for title, raw in file.defaults.get(verb, {}).items():
                if title not in found:
                    if not isinstance(raw, Literal):
                        raise Fixed((), "a default that is computed")
                    found[title] = raw.value
        return found

    def block_factory(self, value: Factory, standard: Factory, walk: Walk) -> ast.expr:
        assert value.block is not None
        specs = [TensorSpec((1, None, None))]  # type: ignore[arg-type]
        key = (value.block, (specs[0].rank, specs[0].layout))
        if key not in self.classes:
            given = dict(value.arguments)
            for title, parameter in value.block.parameters.items():
                if title not in given and parameter.required:
                    given[title] = 1
            env = Env(value.block.file, Frame(Level(walk.body.top, ""), None), {}, None)
            for title, parameter in value.block.parameters.items():
                if title not in given:
                    given[title] = walk.parameter(parameter, parameter.default, env)
            self.called(value.block, given, given, [TensorSpec((1, 8, 8))], walk)
        made = self.classes[key]
        if made is None or made.fixed or [a for a, _ in made.channels] != [CHANNELS]:
            raise Fixed((), "a block without a class for all arguments")
        out = made.results[0].spec.channels
        if not (
            isinstance(out, Symbol) and isinstance(out.syntax, ast.Name) and out.syntax.id == "out"
        ):
            raise Fixed((), "a block whose channels are not its `out`")
        known_arguments = {a.name: a for a in made.arguments}
        given = {n: self.given(v, known_arguments[n], made) for n, v in value.arguments.items()}
        return call("partial", made.title, **given) if given else name(made.title)

    def result(
        self, value: Value, made: BlockClass, seen: Mapping[str, Any], specs: Sequence[TensorSpec]
    ) -> Value:
        """What a call gives, from what the class gives."""
        channels = {title: specs[index].channels for title, index in self.named_inputs(made, specs)}
        values = {**seen, **channels}
        translator = Translator(values, self.functions, self.rules)
        shape = [
            translator.read(size.syntax) if isinstance(size, Symbol) else size
            for size in value.spec.shape
        ]
        return Value(TensorSpec(tuple(shape), value.spec.layout), value.hint, value.maker)

    def named_inputs(self, made: BlockClass, specs: Sequence[TensorSpec]) -> list[tuple[str, int]]:
        assert made.walk.block is not None
        return channel_names(made.walk.block, len(specs))

    def write(
        self, block: Block, values: Mapping[str, Any], specs: Sequence[TensorSpec]
    ) -> BlockClass:
        """The class of a block, with as few of its parameters fixed as can be."""
        if block in self.open or block.body is None:
            raise Fixed((), "a block in itself")
        fixed: dict[str, Any] = {}
        while True:
            mark = self.mark()
            self.open.append(block)
            try:
                return self.translated(block, values, specs, fixed)
            except Fixed as error:
                self.forget(mark)
                names = (error.names & block.parameters.keys()) - fixed.keys()
                if not names or not known(*(values[n] for n in names)):
                    raise
                fixed |= {n: values[n] for n in names}
            finally:
                self.open.pop()

    def translated(
        self, block: Block, values: Mapping[str, Any], specs: Sequence[TensorSpec],
        fixed: Mapping[str, Any],
    ) -> BlockClass:  # fmt: skip
        if RESERVED & block.parameters.keys():
            raise Fixed((), "a parameter that no argument can be called as")
        document = self.seen(block)
        names = frozenset({*block.parameters, *document, CHANNELS})
        walk = Walk(self, self.uses.get(self.document.titles.get(block, ""), []), names, document)
        walk.block, walk.file = block, block.file
        env_values: dict[str, Any] = dict(walk.outer(block.file))
        arguments: list[Argument] = []
        channels = channel_names(block, len(specs))
        inputs = []
        for title, index in channels:
            spec = specs[index]
            symbol = variable(title, "int")
            unknown = (None,) * spec.rank
            shape = (symbol, *unknown) if spec.layout == "channels_first" else (*unknown, symbol)
            inputs.append(walk.body.value(TensorSpec(shape, spec.layout)))  # type: ignore[arg-type]
        x = inputs[0] if len(inputs) == 1 else tuple(inputs)
        level = Level(walk.body.top, "")
        for title, parameter in block.parameters.items():
            if title in fixed:
                env_values[title] = fixed[title]
                continue
            defining = Env(block.file, Frame(level, x), dict(env_values), x)
            argument = self.argument(parameter, values[title], defining, walk, block)
            arguments.append(argument)
            env_values[title] = self.symbol_of(argument, values[title])
        for source, value in document.items():
            if isinstance(value, Symbol) and isinstance(value.syntax, ast.Name):
                default = self.known[source]
                arguments.append(Argument(value.syntax.id, value.type, default, None, source))
        frame = Frame(level, x, 0, None, walk.by_input(block, x))
        env = Env(block.file, frame, env_values, x)
        return self.finished(block, walk, env, inputs, channels, arguments, fixed)

    def part(
        self, item: Item, env: Env, title: str, path: str, walk: Walk
    ) -> tuple[ast.expr, list[Value]]:
        """A call of a class of its own for a part that holds parameters, and what it gives."""
        spec = env.first.spec
        block = Block(title, env.file, item.place, body=replace(item, modifiers=NO_MODIFIERS))
        inner = Walk(self, [*self.paths(path, walk.prefixes)], frozenset(env.values), {})
        inner.block, inner.file, inner.standards = block, env.file, walk.standards
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
        symbol = variable(CHANNELS, "int")
        shape = (symbol, *sizes) if spec.layout == "channels_first" else (*sizes, symbol)
        x = inner.body.value(TensorSpec(shape, spec.layout))
        x.spec = self.refined(x.spec, path, [""]) if None in shape and not env.guard else x.spec
        there = Env(env.file, Frame(Level(inner.body.top, ""), x), values, x)
        made = self.finished(block, inner, there, [x], [(CHANNELS, 0)], arguments, {})
        passed = {a.name: as_syntax(given[a.name]) for a in made.arguments}
        fractions = [given[a.name] for a in made.arguments if a.type == "float"]
        walk.floats |= names_in(*fractions)
        code = call(made.title, *[spec.channels for _ in made.channels], **passed)
        return code, [self.result(value, made, given, [spec]) for value in made.results]

    def seen(self, block: Block) -> dict[str, Any]:
        """The document's parameters as a class of a block sees them: as further arguments."""
        taken, seen = {*block.parameters, CHANNELS}, {}
        for title, value in self.known.items():
            fixed = isinstance(value, Factory) or title in self.fixed or title in RESERVED
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
        if isinstance(value, Factory) or (isinstance(value, Symbol) and value.type == "item"):
            default: Any = MISSING
            if not parameter.required:
                default = walk.factory(parameter.default, env)
            standard = default if isinstance(default, Factory) else value
            if not isinstance(standard, Factory):
                raise Fixed((title,), "no standard")
            if standard.block is None and takes_channels(OPS[standard.verb]):
                raise Fixed((title,), "an op that is told its channels")
            walk.standards[title] = standard
            return Argument(title, "item", default)
        kind = parameter.type or type_of(value)
        if parameter.type is None and kind in ("int", "list") and self.is_either(block, title):
            kind = "axes"
        if parameter.required:
            return Argument(title, kind)
        default = walk.parameter(parameter, parameter.default, env)
        if parameter.type is None and isinstance(default, str):
            kind = "str"
        if isinstance(default, Symbol) or not known(default):
            if not isinstance(default, Symbol):
                raise Fixed((title,), "a list that is computed")
            return Argument(title, kind if parameter.type else default.type, MISSING, default)
        return Argument(title, kind, default)

    def is_either(self, block: Block, title: str) -> bool:
        """Whether some calls give a list and others a number."""
        kinds = set()
        for other in [*self.document.titles, None]:
            sections = self.document.sections.values()
            bodies = [item for sequence in sections for item in sequence.items]
            if other is not None:
                bodies = [other.body] if other.body is not None else []
            for body in bodies:
                for item in items_in(body) if body is not None else ():
                    if item.verb == block.name and title in item.arguments:
                        said = item.arguments[title]
                        is_list = isinstance(said, Listed) or (
                            isinstance(said, Literal) and isinstance(said.value, list))  # fmt: skip
                        kinds.add(list if is_list else int)
        default = block.parameters[title].default
        if isinstance(default, Literal):
            kinds.add(list if isinstance(default.value, list) else int)
        return len(kinds) > 1

    @staticmethod
    def symbol_of(argument: Argument, value: Any) -> Symbol:
        if argument.type == "item":
            return variable(argument.name, "item")
        shown = value if isinstance(value, list) else None
        return variable(argument.name, argument.type, shown)

    def finished(
        self, block: Block, walk: Walk, env: Env, inputs: list[Value],
        channels: list[tuple[str, int]], arguments: list[Argument], fixed: Mapping[str, Any],
    ) -> BlockClass:  # fmt: skip
        assert block.body is not None
        base, body, results = class_body(walk, block, env, inputs)
        results = [expanded(value, walk.body.lets) for value in results]
        said = {*channels_of(channels), *(a.name for a in arguments)}
        for value in results:
            sizes: list[Any] = [size for size in value.spec.shape if isinstance(size, Symbol)]
            names_of = identifiers(*(size.syntax for size in sizes))
            if not names_of <= said | {
                "max",
                "min",
                "make_divisible",
                "int",
                "math",
                "sum",
                "len",
                "list",
                "range",
                *self.rules,
            }:
                raise Fixed((), f"what it gives depends on {names_of - said}")
        used = identifiers(*body[0].body)
        kept = needed(arguments, used)
        taken = [(title, index) for title, index in channels if title in used]
        kept.sort(key=lambda argument: not argument.required)
        title = self.free(class_name(self.document.titles.get(block, block.name)))
        notes = [block.form.doc or f"The block `{block.name}`."]
        if fixed:
            shown = ", ".join(f"{n} {shown_value(v)}" for n, v in fixed.items())
            notes += ["", f"Fixed: {shown}."]
        constructor = self.constructor(taken, kept, body[0].body, walk)
        members: list[ast.stmt] = [documented(notes), constructor, *body[1:]]
        node = ast.ClassDef(title, [name(base)], [], members, [])
        made = BlockClass(title, walk, kept, taken, dict(fixed), results, node, env.values)
        self.order.append(made)
        return made

    def constructor(
        self, channels: Sequence[tuple[str, int]], arguments: Sequence[Argument],
        body: Sequence[ast.stmt], walk: Walk,
    ) -> ast.FunctionDef:  # fmt: skip
        """`__init__` with its arguments, and what computes those that nobody gives."""
        given = [ast.arg("self"), *(ast.arg(title, name("int")) for title, _ in channels)]
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
        while free in self.titles or free in TAKEN:
            free, number = f"{title}{'Block' if number == 2 else number}", number + 1
        self.titles.add(free)
        return free


def class_body(
    walk: Walk, block: Block, env: Env, inputs: list[Value]
) -> tuple[str, list[ast.FunctionDef], list[Value]]:
    """The base of a class, its constructor (without arguments) and `forward`, and its results."""
    assert block.body is not None
    if len(inputs) == 1 and block.body.verb in ("seq", "dense") and block.outputs is None:
        try:
            with walk.attempt():
                made = (
                    sequential(walk, block, env)
                    if block.body.verb == "seq"
                    else densely(walk, block, env)
                )
                if made is not None:
                    return made
        except Fixed:
            walk.body.top.clear()
    flow = walk.given_of(block, walk.combined(block.body, env), env)
    results = list(flow) if isinstance(flow, tuple) else [flow]
    values = [value for value in results if isinstance(value, Value)]
    walk.finish(values)
    names = ["x"] if len(inputs) == 1 else apart(variable_name(n) for n in block.named(len(inputs)))
    naming = walk.body.forward(inputs, names)
    statements = naming.finish(values)
    returned = [naming.read(value) for value in values]
    statements.append(ast.Return(returned[0] if len(returned) == 1 else ast.Tuple(returned)))
    given = [ast.arg("self"), *(ast.arg(n, name("Tensor")) for n in names)]
    returns = name("Tensor") if len(values) == 1 else ast.Subscript(
        name("tuple"), ast.Tuple([name("Tensor")] * len(values)))  # fmt: skip
    base = base_of(walk.body)
    forward = function("forward", given, [], returns, statements)
    return base, [initial(walk.body.constructor()), forward], values


def sequential(
    walk: Walk, block: Block, env: Env
) -> tuple[str, list[ast.FunctionDef], list[Value]] | None:
    """A block whose items are numbered, or have names that vary, as an `nn.Sequential`."""
    assert block.body is not None
    if not walk.is_closed(""):
        return None
    parts: Parts = []
    after = walk.chain(block.body.parts["items"], env, parts)
    if after is None or not parts:
        return None
    keys = [part.key for part in leaves(parts)]
    numbered = all(key is None for key in keys)
    if not numbered and not any(isinstance(key, list) for key in keys):
        return None
    before, arguments = walk.members(parts)
    walk.release({env.first.mark: 1})
    called = ast.Expr(ast.Call(name("super().__init__"), arguments, []))
    return "nn.Sequential", [initial([*before, called])], [after.first]


def densely(
    walk: Walk, block: Block, env: Env
) -> tuple[str, list[ast.FunctionDef], list[Value]] | None:
    """A block of densely connected layers, one module each."""
    from archdsl.pytorch.chains import Part, with_channels
    from archdsl.pytorch.symbols import binary

    item = block.body
    assert item is not None
    count = walk.whole(item.arguments["repeat"], env)
    i = variable("i", "int")
    bound = env.bind({"i": i, "first": equal(i, 0), "last": equal(i, count - 1)})
    start = env.first.spec.channels
    probe = variable("channels_seen", "int")
    parts: Parts = []
    after = walk.chain(
        item.parts["layer"], bound.with_input(with_channels(env.first, probe)), parts
    )
    if after is None or len(parts) != 1:
        return None
    growth = after.first.spec.channels
    if names_in(growth) & {"i", "channels_seen"}:
        return None
    seen = binary("+", start, binary("*", i, growth))
    parts = []
    walk.chain(item.parts["layer"], bound.with_input(with_channels(env.first, seen)), parts)
    (part,) = parts
    if not isinstance(part, Part) or part.made.before or part.test is not None:
        return None
    clause = ast.comprehension(name("i"), call("range", count), [], 0)
    if part.key is None:
        members: ast.expr = ast.ListComp(part.made.code, [clause])
    else:
        from archdsl.pytorch.environment import text_of

        members = ast.DictComp(text_of(part.key), part.made.code, [clause])
    over = name("self") if part.key is None else call("self.values")
    base = "nn.ModuleList" if part.key is None else "nn.ModuleDict"
    joined = call("torch.cat", name("maps"), 1)
    body: list[ast.stmt] = [
        assign("maps", ast.List([name("x")])),
        ast.For(name("layer"), over, [ast.Expr(call("maps.append", call("layer", joined)))], []),
        ast.Return(joined),
    ]
    forward = function(
        "forward", [ast.arg("self"), ast.arg("x", name("Tensor"))], [], name("Tensor"), body
    )
    constructor = initial([ast.Expr(ast.Call(name("super().__init__"), [members], []))])
    total = binary("+", start, binary("*", count, growth))
    return base, [constructor, forward], [with_channels(env.first, total)]


def channel_names(block: Block, count: int) -> list[tuple[str, int]]:
    """The names of the arguments that are the channels of a block's inputs."""
    titles = (f"{variable_name(n)}_channels" for n in block.named(count)[1:])
    others = apart(titles, {CHANNELS, *block.parameters})
    return list(zip([CHANNELS, *others], range(count), strict=False))


def apart(names: Iterable[str], others: Collection[str] = ()) -> list[str]:
    """Names of which none is another, or one of the others."""
    found: list[str] = []
    for title in names:
        while title in found or title in others:
            title += "_"
        found.append(title)
    return found


def needed(arguments: Sequence[Argument], used: set[str]) -> list[Argument]:
    """The arguments whose names are used, also by what computes others; `used` grows by these."""
    before = -1
    while before < len(used):
        before = len(used)
        for argument in arguments:
            if argument.name in used and argument.computed is not None:
                used |= identifiers(argument.computed.syntax)
    return [argument for argument in arguments if argument.name in used]


def channels_of(channels: Sequence[tuple[str, int]]) -> set[str]:
    return {title for title, _ in channels}


def fraction(argument: Argument, walk: Walk) -> str:
    """The type of an argument: a whole number by default may be a fraction where one is taken."""
    takes = argument.name in walk.floats - walk.wholes
    return "float" if argument.type == "int" and takes else argument.type


def annotation(argument: Argument) -> ast.expr:
    value = argument.default
    if argument.type == "item":
        return ast.Subscript(name("Callable"), ast.Tuple([ast.Constant(...), name("nn.Module")]))
    if argument.type == "list":
        inner = {type_of(v) for v in value} if isinstance(value, list) else {"int"}
        part = inner.pop() if len(inner) == 1 and inner <= {"int", "float", "bool"} else "Any"
        return ast.Subscript(name("Sequence"), name(part))
    if argument.type == "axes":
        return ast.BinOp(name("int"), ast.BitOr(), ast.Subscript(name("Sequence"), name("int")))
    if argument.type == "str":
        return ast.BinOp(name("int"), ast.BitOr(), name("str")) if value == "auto" else name("str")
    return name(argument.type)


def plain_default(argument: Argument) -> Any:
    """The default of an argument as Python has it: tuples, and floats where one is expected."""
    value = tuples(argument.default)
    return float(value) if argument.type == "float" and type(value) is int else value


def tuples(value: Any) -> Any:
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def shown_value(value: Any) -> str:
    return value.verb if isinstance(value, Factory) else str(value)
