"""Graph to Python source that stands alone: one class per block, the network last."""

import builtins
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from keyword import kwlist
from typing import Any

from archdsl.analysis.cost import analyze
from archdsl.analysis.receptive_field import reductions
from archdsl.graph.graph import Graph
from archdsl.modules.calls import REQUIRES
from archdsl.modules.structure import LIST, Part, Structure
from archdsl.pytorch.allowed import FIXED, prelude
from archdsl.pytorch.classes import ClassDefinition, Lowering, Program, numbered
from archdsl.pytorch.code import Code, Group, Loop, Number, broken, indented, lay_out
from archdsl.pytorch.forward import Forward
from archdsl.pytorch.initialize import initialization
from archdsl.pytorch.literals import WIDTH, docstring, literal, numbered_literal
from archdsl.pytorch.parameters import Parameters
from archdsl.pytorch.repeats import REPEAT

FEW = 3  # results are said one by one
_RESERVED_CLASSES = {*FIXED, *kwlist, *dir(builtins)}


def emit(graph: Graph) -> str:
    """Source that defines the network's class, imports only torch, and makes what `graph` says.

    The modules are those that the graph's outputs need; `compile_graph` selects features first.
    """
    graph = graph.select(graph.outputs, graph.aux)
    return _Writer(graph).source()


def class_name(name: str) -> str:
    """`ConvBnAct` from `conv_bn_act`, `Block10` from `block1-0`, `Part0` from `0`."""
    parts = [part for part in re.split("[_-]+", name) if part]
    plain = "".join(part[:1].upper() + part[1:] for part in parts)
    return f"Part{plain}" if plain[:1].isdecimal() else plain or "Network"


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.structure = Structure(graph)
        named = [id for name, id in graph.outputs.items() if name]
        self.reductions = reductions(graph, named) if named else {}
        self.root_name = self.unique(class_name(graph.name), set(), "Network")
        reserved = {self.root_name, *prelude(), *_RESERVED_CLASSES}
        self.program: Program = Lowering(self.structure, self.class_names(), reserved).program()
        self.used: set[str] = set()

    @staticmethod
    def unique(name: str, taken: Iterable[str], suffix: str = "Block") -> str:
        taken = {*taken, *prelude(), *_RESERVED_CLASSES}
        free, number = name, 2
        while free in taken:
            free, number = f"{name}{suffix if number == 2 else number}", number + 1
        return free

    def class_names(self) -> dict[Hashable, str]:
        names: dict[Hashable, str] = {}
        for key, scopes in self.structure.classes().items():
            plain = class_name(scopes[0].block or scopes[0].name)
            names[key] = self.unique(plain, {self.root_name, *names.values()})
        return names

    def source(self) -> str:
        classes = [self.class_lines(definition) for definition in self.program.classes]
        classes.append(self.root_lines())
        helpers = [prelude()[name].splitlines() for name in self.helpers(classes)]
        written = [[piece for line in lines for piece in broken(line)] for lines in classes]
        body = [line for part in (*helpers, *written) for line in ("", "", *part)]
        text = "\n".join(body)
        head = [*self.docstring(), ""]
        if "OrderedDict(" in text:
            head += ["from collections import OrderedDict", ""]
        if re.search(r"\btorch\.", text):
            head.append("import torch")
        if re.search(r"\bF\.", text):
            head.append("import torch.nn.functional as F")
        return "\n".join([*head, "from torch import Tensor, nn", *body]) + "\n"

    def helpers(self, classes: list[list[str]]) -> list[str]:
        """The definitions of the prelude that the classes use, those they need first."""
        text = "\n".join(line for lines in classes for line in lines)
        wanted = [name for name in prelude() if re.search(rf"(?<![\w.]){name}\(", text)]
        needed = [*wanted, *(other for name in wanted for other in REQUIRES.get(name, ()))]
        return [name for name in prelude() if name in needed]

    def docstring(self) -> list[str]:
        graph = self.graph
        title = f"{graph.name}: {graph.citation}" if graph.citation else graph.name
        cost = analyze(graph).total
        lines = [
            f"{title}.",
            "",
            f"Written by archdsl from the spec `{graph.name}`; it needs nothing but PyTorch.",
            f"Input {graph.input}, {cost.parameters:,} parameters, {cost.macs:,} MACs.",
        ]
        return docstring(lines)

    # classes

    def class_lines(self, definition: ClassDefinition) -> list[str]:
        base = "nn.Sequential" if definition.chain else "nn.Module"
        lines = [f"class {definition.name}({base}):", *docstring([definition.doc], 4), ""]
        arguments = [
            f"{name}: {_annotation(definition.parameters.vectors[name])}"
            + (f" = {literal(default)}" if name in definition.parameters.defaults else "")
            for name, default, *_ in definition.parameters.signature()
        ]
        signature = Group("(", ("self", *arguments))
        lines += lay_out("def __init__", signature, " -> None:", 4)
        if definition.chain:
            return lines + self.chain_body(definition)
        lines.append("        super().__init__()")
        lines += self.attributes(definition)
        forward = Forward(definition, len(definition.results))
        inputs = ("self", *(f"{name}: Tensor" for name in forward.argument_names()))
        kinds = ["Tensor | None" if absent else "Tensor" for absent in definition.absent]
        tensors = ", ".join(kinds) if len(kinds) <= FEW else f"{max(kinds, key=len)}, ..."
        returned = tensors if len(kinds) == 1 else f"tuple[{tensors}]"
        lines += ["", *lay_out("def forward", Group("(", inputs), f" -> {returned}:", 4)]
        return lines + indented(forward.write(", ".join), 8)

    def chain_body(self, definition: ClassDefinition) -> list[str]:
        parts, parameters = definition.parts, definition.parameters
        if not any(part.origin in parameters.conditions for part in parts):
            items = _items([self.listed(part, parameters) for part in parts])
            return lay_out("super().__init__", Group("(", items), "", 8)
        return [*self.appended(parts, parameters), "        super().__init__(*layers)"]

    def attributes(self, definition: ClassDefinition) -> list[str]:
        """The assignments of `__init__`: what `forward` needs, then modules in order."""
        parameters = definition.parameters
        kept = parameters.attributes.items()
        lines = [f"        self.{name} = {expression}" for name, expression in kept]
        for part in definition.parts:
            lines += self.attribute(part, parameters)
        return lines

    def attribute(self, part: Part, parameters: Parameters) -> list[str]:
        condition = parameters.conditions.get(part.origin)
        lines: list[str] = []
        if part.children is not None and any(
            child.origin in parameters.conditions for child in part.children
        ):
            lines = self.appended(part.children, parameters)
            code = Group(f"{part.target}(", ("layers" if part.target == LIST else "*layers",))
        else:
            code = self.code(part, parameters)
        if part.parameter:
            code = Group("nn.Parameter(", (code,))
        if not condition:
            return lines + _assigned(part, code, 8)
        otherwise = "None" if part.parameter else "nn.Identity()"
        line = _assigned(part, f"{code} if {condition} else {otherwise}", 8)
        if len(line) == 1 and len(line[0]) <= WIDTH:
            return [*lines, *line]
        there, other = _assigned(part, code, 12), _assigned(part, otherwise, 12)
        return [*lines, f"        if {condition}:", *there, "        else:", *other]

    def appended(self, parts: tuple[Part, ...], parameters: Parameters) -> list[str]:
        """A list of layers, some of them only under a condition."""
        runs = [
            (condition, tuple(run))
            for condition, run in groupby(parts, lambda p: parameters.conditions.get(p.origin))
        ]
        lines: list[str] = []
        if runs[0][0] is not None:
            runs.insert(0, (None, ()))
        for number, (condition, run) in enumerate(runs):
            items = _items([self.listed(part, parameters) for part in run])
            indent = 12 if condition else 8
            lines += [f"        if {condition}:"] if condition else []
            if number and len(items) == 1 and not str(items[0]).startswith("*"):
                lines += lay_out("layers.append", Group("(", items), "", indent)
            else:
                start = "layers += " if number else "layers: list[nn.Module] = "
                lines += lay_out(start, Group("[", items, "]"), "", indent)
        return lines

    # parts

    def code(self, part: Part, parameters: Parameters) -> Group:
        """The expression that makes a part."""
        if part.children is None:
            return Group(f"{part.target}(", self.arguments(part, parameters), compact=True)
        if numbered(part.children):
            items = _items([self.item(child, parameters) for child in part.children])
            if part.target == LIST:
                return Group(f"{part.target}([", items, "])")
            return Group(f"{part.target}(", items)
        return Group(f"{part.target}(", (self.named(part.children, parameters),))

    def arguments(self, part: Part, parameters: Parameters) -> tuple[Code, ...]:
        written: list[Code] = []
        for argument in part.arguments:
            expression = parameters.expressions[(part.origin, argument.name)]
            if expression == literal(argument.default) and argument.keyword:
                continue
            prefix = f"{argument.name}=" if argument.keyword else ""
            whole = expression.isdecimal()
            written.append(Number(prefix, int(expression)) if whole else f"{prefix}{expression}")
        return tuple(written)

    def item(self, part: Part, parameters: Parameters) -> Code:
        """A part in a list: `*([part] if condition else [])` where not all instances have it."""
        code, condition = self.listed(part, parameters), parameters.conditions.get(part.origin)
        return Group("*([", (code,), f"] if {condition} else [])") if condition else code

    def listed(self, part: Part, parameters: Parameters) -> Code:
        """A part in a list, as often as it is repeated."""
        code = self.code(part, parameters)
        if not part.repeated:
            return code
        times = parameters.expressions[(part.origin, REPEAT)]
        return Loop("*(", code, f"for _ in range({times})")

    def named(self, parts: tuple[Part, ...], parameters: Parameters) -> Code:
        """The parts of a named container as an `OrderedDict`."""
        codes = [self.code(part, parameters) for part in parts]
        prefix = parts[0].name.rstrip("0123456789")
        first = parts[0].name[len(prefix) :]
        end, steps = _run([_form(code) for code in codes], 0)
        in_order = first.isdecimal() and all(
            part.name == f"{prefix}{int(first) + n}" for n, part in enumerate(parts)
        )
        if in_order and len(parts) > 2 and end == len(parts):
            number = "i" if first == "0" else f"i + {first}"
            pattern = _progression(codes[0], iter(steps))
            pair = f"({numbered_literal(prefix, number)}, {pattern})"
            return Loop("OrderedDict(", pair, f"for i in range({len(parts)})")
        if all(part.name.isidentifier() for part in parts):
            pairs = zip(parts, codes, strict=True)
            given = [replace(code, open=f"{part.name}={code.open}") for part, code in pairs]
            return Group("OrderedDict(", tuple(given))
        tuples = [
            Group("(", (literal(part.name), code)) for part, code in zip(parts, codes, strict=True)
        ]
        return Group("OrderedDict([", tuple(tuples), "])")

    # the network

    def root_lines(self) -> list[str]:
        graph, definition = self.graph, self.program.root
        base = "nn.Sequential" if definition.chain else "nn.Module"
        lines = [f"class {self.root_name}({base}):", *docstring([self.root_doc()], 4), ""]
        named = [name for name in graph.outputs if name]
        names = (*graph.outputs, *graph.aux)
        if named:
            pairs = tuple(self.feature(name) for name in named)
            lines += [*lay_out("feature_info = ", Group("{", pairs, "}"), "", 4), ""]
        lines.append("    def __init__(self) -> None:")
        if definition.chain:
            lines += self.chain_body(definition)
        else:
            lines += ["        super().__init__()", *self.attributes(definition)]
        lines += indented(initialization(graph, self.structure), 8)
        if definition.chain:
            return lines
        returned = "dict[str, Tensor]" if named else "Tensor"
        if graph.aux:
            returned = f"{returned} | tuple[{returned}, dict[str, Tensor]]"
        lines += ["", f"    def forward(self, x: Tensor) -> {returned}:"]
        forward = Forward(definition, len(graph.outputs), names)
        return lines + indented(forward.write(self.result), 8)

    def root_doc(self) -> str:
        """One line: an image of which shape becomes what."""
        given = f"An image of {self.graph.input} to"
        named = [name for name in self.graph.outputs if name]
        if named:
            return (
                f"{given} {len(named)} maps by name." if len(named) > 1 else f"{given} {named[0]}."
            )
        return f"{given} {self.graph.spec(self.graph.outputs[''])}."

    def feature(self, name: str) -> str:
        id = self.graph.outputs[name]
        channels, reduction = self.graph.spec(id).channels, self.reductions[id]
        return f'{literal(name)}: {{"channels": {channels}, "reduction": {reduction}}}'

    def result(self, variables: list[str]) -> str:
        """What the network returns, from the variables of its outputs and side results."""
        names = list(self.graph.outputs)
        given = variables[: len(names)]
        main = _dictionary(names, given) if any(names) else given[0]
        if len(variables) == len(names):
            return main
        side = _dictionary(list(self.graph.aux), variables[len(names) :])
        return f"({main}, {side})"


def _assigned(part: Part, code: Code, indent: int) -> list[str]:
    """The statement that gives a part to its module; `0` and `block1-0` cannot be assigned."""
    if part.name.isidentifier():
        return lay_out(f"self.{part.name} = ", code, "", indent)
    method = "register_parameter" if part.parameter else "add_module"
    return lay_out(f"self.{method}", Group("(", (literal(part.name), code)), "", indent)


def _dictionary(names: list[str], variables: list[str]) -> str:
    pairs = ", ".join(
        f"{literal(name)}: {variable}" for name, variable in zip(names, variables, strict=True)
    )
    return f"{{{pairs}}}"


def _items(codes: Sequence[Code]) -> tuple[Code, ...]:
    """Codes in a list, runs of like ones as a generator."""
    items: list[Code] = []
    forms = [_form(code) for code in codes]
    start = 0
    while start < len(codes):
        end, steps = _run(forms, start)
        if end - start < 2 or (end - start == 2 and len(str(codes[start])) < 30):
            items.append(codes[start])
            start += 1
            continue
        variable = "i" if any(steps) else "_"
        pattern = _progression(codes[start], iter(steps))
        items.append(Loop("*(", pattern, f"for {variable} in range({end - start})"))
        start = end
    return tuple(items)


Form = tuple[Hashable, tuple[int, ...]]  # an expression without its numbers, and these


def _form(code: Code) -> Form:
    """What makes expressions alike; a generator keeps its numbers, they may be of its own `i`."""
    if isinstance(code, Number):
        return (code.prefix, None), (code.value,)
    if not isinstance(code, Group):
        return str(code), ()
    inner = [_form(item) for item in code.items]
    numbers = tuple(number for _, found in inner for number in found)
    return (code.open, *(form for form, _ in inner), code.close), numbers


def _run(forms: Sequence[Form], start: int) -> tuple[int, tuple[int, ...]]:
    """Where a run of like expressions from `start` ends, and by how much each number grows."""
    form, numbers = forms[start]
    alone = start + 1, (0,) * len(numbers)
    if _is_starred(form) or start + 1 == len(forms) or forms[start + 1][0] != form:
        return alone
    steps = _steps(forms[start], forms[start + 1])
    end = start + 2
    while (
        end < len(forms) and forms[end][0] == form and (_steps(forms[end - 1], forms[end]) == steps)
    ):
        end += 1
    return alone if any(steps) and end - start < 3 else (end, steps)


def _steps(one: Form, other: Form) -> tuple[int, ...]:
    return tuple(b - a for a, b in zip(one[1], other[1], strict=True))


def _is_starred(form: Hashable) -> bool:
    """Whether an expression is several items or none, which no element of a generator can be."""
    first = form[0] if isinstance(form, tuple) else form
    return str(first).startswith("*")


def _progression(code: Code, steps: Iterator[int]) -> Code:
    """An expression with its numbers as they grow with `i`."""
    if isinstance(code, Number):
        first, step = code.value, next(steps)
        factor = "i" if step == 1 else f"{step} * i"
        grown = str(first) if not step else factor if not first else f"{first} + {factor}"
        return f"{code.prefix}{grown}"
    if isinstance(code, Group):
        return replace(code, items=tuple(_progression(item, steps) for item in code.items))
    return code


def _annotation(vector: Iterable[Any]) -> str:
    names = []
    for value in vector:
        name = type(value).__name__
        if isinstance(value, tuple):
            name = f"tuple[{', '.join(type(item).__name__ for item in value)}]"
        if name not in names:
            names.append(name)
    return " | ".join(sorted(names))


__all__ = ["class_name", "emit"]
