"""Arguments that make modules: `nn.ReLU`, `partial(nn.ReLU, inplace=True)`, a class of a block."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archdsl.language.replacing import Replacements
from archdsl.language.syntax import Block, Literal
from archdsl.ops import OPS
from archdsl.ops.init import Init
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.class_bodies import CHANNELS
from archdsl.pytorch.entries import Value
from archdsl.pytorch.environment import Env, Factory, Frame, Level, takes_channels
from archdsl.pytorch.operations import module_of, settle, torch_call, writing_over
from archdsl.pytorch.parameters import (
    Argument,
    tuples,
)
from archdsl.pytorch.placing import Placing, all_lent
from archdsl.pytorch.python import as_syntax, call, name
from archdsl.pytorch.symbols import Fixed, Symbol, names_in, same, type_of
from archdsl.pytorch.told import Told, factory_told
from archdsl.pytorch.uses import Uses
from archdsl.pytorch.walks import Walk


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
    rest: str = ""  # the argument that is the channels of all further inputs


@dataclass
class Held:
    """What a class of a block holds for: parameters of one value, lists of one length, and those
    that the size of a map settles, which whoever calls it says.
    """

    fixed: dict[str, Any] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    sized: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Group:
    """The class of a container of containers."""

    title: str
    node: ast.ClassDef


@dataclass
class Factories(Uses):
    """Writes what is given for parameters."""

    reserved: frozenset[str]
    fixed: Mapping[str, Any] = field(default_factory=dict)  # parameters of the document

    def __post_init__(self) -> None:
        super().__post_init__()
        self.classes: dict[Any, BlockClass | None] = {}
        self.inits: list[tuple[str, Init | None, ast.Call]] = []

    def called(
        self, block: Block, values: Mapping[str, Any], given: Mapping[str, Any],
        specs: Sequence[TensorSpec], walk: Placing, replacing: Replacements, rest: Any = None,
    ) -> tuple[ast.expr, list[Any]]:  # fmt: skip
        """A call of a class and what it gives; raises Fixed where the class does not fit."""
        raise NotImplementedError

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
        value = self.standing_for(value, walk)
        op, told = OPS[value.verb], walk.told.get(title, [])
        if standard.block is not None or (takes_channels(op) and not told):
            raise Fixed((), "an op where a block is expected")
        arguments = {**self.defaults(value.verb, walk), **value.arguments}
        if told:
            return self.factory_told(value.verb, arguments, standard.verb, told)
        made = settle(op, arguments, TensorSpec((1, 1, 1)))
        written = torch_call(made, [TensorSpec((1, 1, 1))])
        if written.form != "module":
            raise Fixed((), "no module")
        code = module_of(written)
        over = walk.activations.get(title, [])
        flag = writing_over(made)
        if flag is not None and all_lent(over, value.verb):
            code.keywords.append(ast.keyword("inplace", flag))
        if not code.args and not code.keywords:
            return code.func
        keywords = {keyword.arg or "": keyword.value for keyword in code.keywords}
        return call("partial", code.func, *code.args, **keywords)

    def factory_told(
        self, verb: str, arguments: Mapping[str, Any], standard: str, told: Sequence[Told]
    ) -> ast.expr:
        """What makes an op for a class that tells it something."""
        code = factory_told(verb, arguments, standard, told)
        made, written = told[0].made(verb, arguments)
        if Placing.learns(made, told[0].x):
            self.inits.append((written.target, None, call(written.target)))
        return code

    def standing_for(self, value: Factory, walk: Walk) -> Factory:
        """An op given for a parameter, or what stands for it; raises Fixed for a block."""
        rule = walk.replacing.of(value.verb)
        if rule is None:
            return value
        env = Env(walk.file, Frame(Level(walk.body.top, ""), None), {}, None)
        given = {n: (argument, True) for n, argument in value.arguments.items()}
        made, arguments = walk.replaced(rule, given, env)
        if made.block is not None:
            raise Fixed((), "a block that stands for an op")
        return Factory(made.verb, {n: argument for n, (argument, _) in arguments.items()}, None)

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
        key = (value.block, (specs[0].rank, specs[0].layout), True, walk.replacing)
        if key not in self.classes:
            given = dict(value.arguments)
            for title, parameter in value.block.parameters.items():
                if title not in given and parameter.required:
                    given[title] = 1
            env = Env(value.block.file, Frame(Level(walk.body.top, ""), None), {}, None)
            for title, parameter in value.block.parameters.items():
                if title not in given:
                    given[title] = walk.parameter(parameter, parameter.default, env)
            spec, rules = TensorSpec((1, 8, 8)), walk.replacing
            self.called(value.block, given, given, [spec], walk, rules)
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
