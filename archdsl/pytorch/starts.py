"""How the weights start: by one loop over the modules, or where a module is made."""

import ast
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archdsl.graph.graph import Graph
from archdsl.ops import Op
from archdsl.ops.init import PER_GROUP, Init
from archdsl.pytorch.python import as_syntax, call, loop, name
from archdsl.pytorch.symbols import known, same
from archdsl.pytorch.uses import above

if TYPE_CHECKING:
    from archdsl.pytorch.program import Program

HOLDERS = {
    "WindowAttention": ("qkv", "proj"),
    "WindowAttention3d": ("qkv", "proj"),
    "CosineWindowAttention": ("qkv", "proj", "cpb_mlp.0", "cpb_mlp.2"),
    "RelativeAttention": ("to_qkv", "merge"),
    "PooledAttention": ("qkv", "project.0"),
    "PatchMerging": ("reduction",),
}
LINEAR = "nn.Linear"


def starting(program: "Program") -> list[ast.stmt]:
    """The loop at the end of the network's constructor; other modules start where they are made."""
    alike = _alike(program)
    for target, init, code in program.inits:
        if alike[target] is None and init is not None and is_known(init):
            wrap(code, init, target)
    cases: dict[str, Any] = {}
    for target, init in alike.items():
        if init is not None:
            case_of(cases, target, init)
    return loop_of(cases)


def _alike(program: "Program") -> dict[str, Init | None]:
    """The scheme of all modules of a class; None where they differ."""
    found: dict[str, list[Init | None]] = {}
    for target, init, _ in program.inits:
        found.setdefault(target, []).append(init)
    return common(found)


def started_together(program: "Program") -> set[str]:
    """The classes whose modules the loop starts."""
    return {target for target, init in _alike(program).items() if init is not None}


def freezing(graph: Graph) -> list[ast.stmt]:
    """What lets the parameters of frozen parts learn nothing, by the paths of these parts."""
    if not graph.frozen:
        return []
    learning = [n.path for n in graph.nodes if any(w.kind == "parameter" for w in n.weights)]
    mixed = {part for path in learning if path not in graph.frozen for part in above(path)}
    frozen = [path for path in learning if path in graph.frozen]
    found = dict.fromkeys(next(p for p in above(path) if p not in mixed) for path in frozen)
    return [ast.Expr(call("freeze", name("self"), *found))]


def scheme_of(op: Op, target: str) -> Init | None:
    """How the weights of an op's module start; None if as PyTorch starts them itself."""
    init: Init | None = getattr(op, "init", None)
    own = target == LINEAR or target.startswith("nn.Conv")
    return None if own and init == Init("kaiming_uniform", (("a", math.sqrt(5)),)) else init


def common(found: Mapping[str, list[Init | None]]) -> dict[str, Init | None]:
    """The scheme that all modules of a class have, by class; None where they have several.

    Modules that hold linear layers start as the linear layers do, or each on its own.
    """
    alike = {target: _one(inits) for target, inits in found.items()}
    held = [target for target in HOLDERS if target in found]
    if held:
        linear = _one([init for t in (LINEAR, *held) for init in found.get(t, [])])
        alike |= dict.fromkeys(held, None if linear is None else linear)
        if LINEAR in found or linear is not None:
            alike[LINEAR] = linear
    return alike


def loop_of(cases: Mapping[str, tuple[list[str], list[ast.stmt]]]) -> list[ast.stmt]:
    """The loop over all modules that starts those of some classes."""
    branches: list[ast.stmt] = []
    for targets, statements in reversed(list(cases.values())):
        kind = call("type", name("module"))
        tests = [ast.Compare(kind, [ast.Is()], [name(target)]) for target in targets]
        test = tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), list(tests))
        branches = [ast.If(test, statements, branches)]
    return [loop(name("module"), call("self.modules"), branches)] if branches else []


def case_of(cases: dict[str, Any], target: str, init: Init) -> None:
    """Adds the statements for the modules of a class, which the loop reaches by its own name."""
    if target in HOLDERS:
        return
    statements: list[ast.stmt] = [ast.Expr(_scheme(init, name("module.weight")))]
    if ("mode", PER_GROUP) in init.settings and "Conv" in target:
        factor = ast.BinOp(name("module.groups"), ast.Pow(), as_syntax(0.5))
        statements.append(ast.Expr(call("module.weight.data.mul_", factor)))
    if init.bias is not None:
        start = ast.Expr(_scheme(init.bias, name("module.bias")))
        test = ast.Compare(name("module.bias"), [ast.IsNot()], [ast.Constant(None)])
        statements.append(ast.If(test, [start], []))
    key = "\n".join(map(ast.dump, statements))
    cases.setdefault(key, ([], statements))[0].append(target)


def _one(inits: list[Init | None]) -> Init | None:
    """The one scheme of all."""
    first = inits[0] if inits else None
    if first is None or not is_known(first) or not all(_same(first, init) for init in inits):
        return None
    return first


def is_known(init: Init) -> bool:
    return known(*(v for _, v in init.settings)) and (init.bias is None or is_known(init.bias))


def _same(a: Init | None, b: Init | None) -> bool:
    if a is None or b is None:
        return a is b
    pairs = zip(a.settings, b.settings, strict=False)
    return (
        a.scheme == b.scheme
        and len(a.settings) == len(b.settings)
        and all(n == m and (same(v, w) or (known(v, w) and v == w)) for (n, v), (m, w) in pairs)
        and _same(a.bias, b.bias)
    )


def _scheme(init: Init, tensor: ast.expr) -> ast.Call:
    return call(f"nn.init.{init.scheme}_", tensor, **_settings(init))


def _settings(init: Init) -> dict[str, Any]:
    return {n: "fan_out" if v == PER_GROUP else v for n, v in init.settings}


def wrap(code: ast.Call, init: Init, target: str) -> None:
    """Makes a module start as it shall where it is made."""
    made = ast.Call(code.func, code.args, code.keywords)
    given: dict[str, Any] = {"weight": _partial(init)}
    if init.bias is not None:
        given["bias"] = _partial(init.bias)
    if ("mode", PER_GROUP) in init.settings and "Conv" in target:
        given["per_group"] = True
    title = "initialized_inside" if target in HOLDERS else "initialized"
    wrapped = call(title, made, **given)
    code.func, code.args, code.keywords = wrapped.func, wrapped.args, wrapped.keywords


def _partial(init: Init) -> ast.expr:
    settings = _settings(init)
    function = name(f"nn.init.{init.scheme}_")
    return call("partial", function, **settings) if settings else function
