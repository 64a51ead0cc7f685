"""Steps to the statements of a `forward`: which variable holds which value, and for how long."""

import builtins
from collections.abc import Callable
from dataclasses import dataclass, field
from keyword import iskeyword

from archdsl.modules.structure import INPUTS, Ref, Step
from archdsl.pytorch.allowed import FIXED, prelude
from archdsl.pytorch.classes import ClassDefinition
from archdsl.pytorch.literals import literal

_TAKEN = {"self", "layer", *FIXED, *prelude(), *dir(builtins)}
_END = 1 << 60
_LOOP = 3  # so many calls of numbered layers in a row become a loop


@dataclass
class Forward:
    """The body of one `forward`; `write` gives its lines.

    All results but the first `main` are those of training only.
    """

    definition: ClassDefinition
    main: int
    result_names: tuple[str, ...] = ()
    variables: dict[Ref, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        definition = self.definition
        self.steps = definition.steps
        self.names = dict(zip(definition.results, self.result_names, strict=False))
        self.uses: dict[Ref, list[int]] = {}
        for index, step in enumerate(self.steps):
            for ref in step.inputs:
                self.uses.setdefault(ref, []).append(index)
        for ref in definition.results:
            self.uses.setdefault(ref, []).append(_END)
        for n, name in enumerate(self.argument_names()):
            self.variables[Ref(INPUTS, n)] = name
        self.taken = {*self.variables.values(), *_TAKEN}
        self.numbers: dict[str, int] = {}  # by name, the first that may be free behind it

    def argument_names(self) -> list[str]:
        """The names of the inputs of `forward`."""
        count = self.definition.inputs
        return ["x", "y", "z", "w"][:count] if count <= 4 else [f"x{n}" for n in range(count)]

    def write(self, result: Callable[[list[str]], str]) -> list[str]:
        """The statements; `result` makes what is returned from the variables of the results."""
        main = sum(not step.side for step in self.steps)
        statements = [self.statement(index) for index in range(main)]
        self.loops(statements)
        lines = [line for line in statements if line]
        aside = {step.origin for step in self.steps if step.side}
        results = self.definition.results
        if self.main < len(results) or any(ref.origin in aside for ref in results):
            given = ["None" if ref.origin in aside else self.variables[ref]
                     for ref in results[: self.main]]  # fmt: skip
            lines += ["if not self.training:", f"    return {result(given)}"]
            lines += [self.statement(index) for index in range(main, len(self.steps))]
        returned = result([self.variables[ref] for ref in self.definition.results])
        if lines and not lines[-1].startswith((" ", "for", "if")):
            target, _, value = lines[-1].partition(" = ")
            if target == returned and value:
                return [*lines[:-1], f"return {value}"]
        return [*lines, f"return {returned}"]

    def statement(self, index: int) -> str:
        step = self.steps[index]
        inputs = [self.variables[ref] for ref in step.inputs]
        value = self.value(step, inputs)
        targets = [self.target(index, n) for n in range(step.outputs)]
        attribute = self.definition.parameters.kept.get(step.origin)
        flag = f"self.{attribute}" if attribute else ""
        if step.template == "{+=}" and targets == inputs[:1] and len(inputs) == 2:
            line = f"{inputs[0]} += {inputs[1]}"
        elif flag and targets != inputs[:1]:
            return f"{targets[0]} = {value} if {flag} else {inputs[0]}"
        else:
            line = f"{', '.join(targets)} = {value}" if targets else value
        return f"if {flag}:\n            {line}" if flag else line

    def value(self, step: Step, inputs: list[str]) -> str:
        if not step.template:
            return f"{access(step.access)}({', '.join(inputs)})"
        if step.template in ("{+}", "{+=}"):
            return " + ".join(inputs)
        if step.template == "{*}":
            return " * ".join(inputs)
        parameters, named = self.definition.parameters, {}
        for name in step.arguments:
            slot = (step.origin, name)
            kept = parameters.kept.get(slot)
            named[name] = f"self.{kept}" if kept else parameters.expressions[slot]
        weight = access(step.access) if step.access else ""
        return step.template.format(*inputs, all=", ".join(inputs), weight=weight, **named)

    # variables

    def target(self, index: int, output: int) -> str:
        """The variable for an output: that of the first input if nothing else needs it any more."""
        step = self.steps[index]
        ref = Ref(step.origin, output)
        first = step.inputs[0] if step.inputs else None
        reuse = (
            output == 0
            and first is not None
            and max(self.uses[first]) == index
            and not (first.origin == INPUTS and (self.joins_later(ref) or self.result_name(ref)))
        )
        name = self.variables[first] if reuse and first is not None else self.fresh(index, ref)
        self.variables[ref] = name
        self.taken.add(name)
        return name

    def following(self, ref: Ref) -> list[int]:
        """The steps through which a value goes alone, up to where it meets another."""
        chain = []
        while len(self.uses.get(ref, ())) == 1 and (index := self.uses[ref][0]) != _END:
            step = self.steps[index]
            chain.append(index)
            if len(step.inputs) != 1 or step.outputs != 1:
                break
            ref = Ref(step.origin, 0)
        return chain

    def meeting(self, ref: Ref) -> tuple[Step | None, bool]:
        """The step where a value meets others, and whether it is that step's first input."""
        chain = self.following(ref)
        if not chain or len(self.steps[chain[-1]].inputs) < 2:
            return None, False
        step = self.steps[chain[-1]]
        before = Ref(self.steps[chain[-2]].origin, 0) if len(chain) > 1 else ref
        return step, step.inputs[0] == before

    def joins_later(self, ref: Ref) -> bool:
        step, first = self.meeting(ref)
        return step is not None and not first and step.template != "{+=}"

    def result_name(self, ref: Ref) -> str:
        """The name of the result that a value becomes, going through single steps."""
        for index in [None, *self.following(ref)]:
            end = ref if index is None else Ref(self.steps[index].origin, 0)
            if end in self.names:
                return self.names[end]
        return ""

    def fresh(self, index: int, ref: Ref) -> str:
        """A new variable, named after the modules that its value goes through."""
        step, first = self.meeting(ref)
        through = self.following(ref)
        alone = [i for i in through if len(self.steps[i].inputs) == 1]
        names = [
            self.steps[i].access[-1].rstrip("_")
            for i in [index, *alone]
            if self.steps[i].access and not self.steps[i].access[-1].isdecimal()
        ]
        prefix = _common_start(names) if len(names) > 1 else ""
        if self.result_name(ref):
            name = self.result_name(ref)
        elif len(prefix) >= 3:
            name = prefix
        elif step is not None and step.template in ("{+}", "{+=}"):
            name = "out" if first else "shortcut"
        elif len(names) == 1:
            name = names[0]
        else:
            name = names[-1] if names else "out"
        return self.free(name)

    def free(self, name: str) -> str:
        if not name.isidentifier() or iskeyword(name):
            name = f"x_{name}" if f"x_{name}".isidentifier() else "out"
        number, free = self.numbers.get(name, 2), name
        while free in self.taken:
            free, number = f"{name}{number}", number + 1
        self.numbers[name] = number
        return free

    # loops

    def loops(self, statements: list[str]) -> None:
        """Calls of numbered layers in a row become a loop over a part of their container."""
        start = 0
        while start < len(statements):
            end = start
            while end < len(statements) and self.continues(start, end, statements):
                end += 1
            if end - start >= _LOOP:
                container, first = self.steps[start].access[:-1], self.steps[start].access[-1]
                variable = self.variables[self.steps[start].inputs[0]]
                stop = int(first) + end - start
                part = f"{access(container)}[{first}:{stop}]"
                statements[start] = (
                    f"for layer in {part}:\n            {variable} = layer({variable})"
                )
                statements[start + 1 : end] = [""] * (end - start - 1)
            start = max(end, start + 1)

    def continues(self, start: int, index: int, statements: list[str]) -> bool:
        step, begin = self.steps[index], self.steps[start]
        if len(step.access) < 2 or not step.access[-1].isdecimal() or step.outputs != 1:
            return False
        variable = self.variables[begin.inputs[0]]
        same = step.access[:-1] == begin.access[:-1]
        in_order = int(step.access[-1]) == int(begin.access[-1]) + index - start
        simple = statements[index] == f"{variable} = {access(step.access)}({variable})"
        return same and in_order and simple


def _common_start(names: list[str]) -> str:
    """What all names begin with: `branch5x5` of `branch5x5_1` and `branch5x5_2`."""
    shared = 0
    while all(shared < len(name) and name[shared] == names[0][shared] for name in names):
        shared += 1
    return names[0][:shared].rstrip("_")


def access(names: tuple[str, ...]) -> str:
    """`self.features[0]` from `("features", "0")`."""
    result = "self"
    for position, name in enumerate(names):
        if name.isidentifier():
            result = f"{result}.{name}"
        elif name.isdecimal() and position:
            result = f"{result}[{name}]"
        else:
            result = f"getattr({result}, {literal(name)})"
    return result
