"""Classes as they are written: what a walk through a block made, with its arguments and results."""

import ast
from collections.abc import Mapping, Sequence, Set
from dataclasses import MISSING, dataclass, replace
from typing import Any

from archdsl.expressions.scaling import Rule
from archdsl.language.syntax import (
    Block,
    Formula,
)
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.chains import BEFORE
from archdsl.pytorch.class_bodies import channel_names, class_body
from archdsl.pytorch.entries import NTH, Listing, Value, is_taken, variable_name
from archdsl.pytorch.environment import Env
from archdsl.pytorch.factories import BlockClass, Factories, Group
from archdsl.pytorch.naming import class_name, part_name
from archdsl.pytorch.parameters import (
    Argument,
    Fractions,
    annotation,
    fraction,
    needed,
    plain_default,
    shown_value,
)
from archdsl.pytorch.python import as_syntax, assign, function, identifiers, name
from archdsl.pytorch.returning import documented, group_class
from archdsl.pytorch.sizes import expanded
from archdsl.pytorch.symbols import (
    Fixed,
    Symbol,
    variable,
)
from archdsl.pytorch.translator import Translator
from archdsl.pytorch.walks import Walk

FUNCTIONS = {  # that sizes call
    "int", "len", "list", "make_divisible", "math", "max", "min", "range", "sum",
}  # fmt: skip


@dataclass
class Classes(Factories):
    """Writes the classes of blocks and of their parts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.functions: Mapping[str, Any] = self.written.functions
        self.rules: dict[str, Rule] = {}
        self.order: list[BlockClass | Group] = []
        self.titles = set(self.reserved)

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
        made = [Fractions(arguments).visit(statement) for statement in (*computed, *body)]
        return function("__init__", given, defaults, ast.Constant(None), made)

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
