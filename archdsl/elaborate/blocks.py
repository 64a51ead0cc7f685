"""What a verb does: combinators, ops, and blocks, which are elaborated once and then replayed."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from archdsl.diagnostics.diagnostic import Label
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.diagnostics.text import counted
from archdsl.elaborate.combinators import KINDS, combine
from archdsl.elaborate.env import (
    Evaluated,
    Flow,
    Frame,
    Here,
    ItemValue,
    Level,
    Origin,
    Poison,
    Said,
    Tensor,
    fail,
)
from archdsl.elaborate.items import Run
from archdsl.expressions.expression import Value
from archdsl.language.syntax import COMBINATORS, Block, Item, Listed, Literal, Name
from archdsl.ops import OPS, ArgumentError, Op, RankError, arguments, construct, kind
from archdsl.ops.tensor import INPUT, TensorSpec


def apply(run: Run, item: Item, here: Here, name: str) -> Flow:
    """What the verb of an item gives, under a name."""
    if item.verb in COMBINATORS:
        level = here.frame.level
        if name.startswith("_"):
            with level.below(name):
                return combine(run, item, here)
        inner = run.build.open(level, name, KINDS[item.verb], item)
        return combine(run, item, here.inside(inner))
    verb, block, given = _resolve(run, item, here)
    if block is not None:
        return _call(run, block, given, item, here, name)
    return _op(run, OPS[verb], given, item, here, name)


def _resolve(run: Run, item: Item, here: Here) -> tuple[str, Block | None, dict[str, Said]]:
    """The verb (behind `$name`), its block if it is one, and the arguments."""
    given: dict[str, Said] = dict(item.arguments)
    if item.chosen is None:
        return item.verb, here.file.block(item.verb), given
    value = run.values.item(item.chosen, here)
    for name, argument in value.arguments:
        if name in given:
            message = f"`{name}` is given twice: here and in the value of {item.verb}"
            fail(run.sink, "E0206", message, given[name].place.key)
        given[name] = Evaluated(argument, item.inside, value.origins.get(name))
    known = value.block.parameters if value.block is not None else arguments(OPS[value.verb])
    unknown = [name for name in given if name not in known]
    for name in unknown if value.block is None or not value.block.broken else ():
        message, help = f"{value.verb} has no argument `{name}`", did_you_mean(name, known)
        run.sink.error("E0206", message, given[name].place.key, help=help)
    if unknown:
        raise Poison
    return value.verb, value.block, given


# ops

_ANY = TensorSpec((1, 1, 1))  # for an input that failed, to look at the arguments all the same


def _op(run: Run, op: type[Op], given: dict[str, Said], item: Item, here: Here, name: str) -> Flow:
    """Adds one op, with its arguments and the default ones."""
    scopes = _with_defaults(run, op, given, here)
    values: dict[str, Any] = {}
    failed = False
    inputs: list[Flow] = list(here.x) if isinstance(here.x, tuple) else [here.x]
    for argument, written in given.items():
        declared = kind(op, argument)
        try:
            if declared.form == "reference":
                inputs.append(_like(run, written, scopes[argument]))
                values[argument] = True
            else:
                values[argument] = run.values.argument(written, declared, scopes[argument])
        except Poison:
            failed = True
    if failed:
        raise Poison
    missing = [n for n, a in arguments(op).items() if a.default is MISSING and n not in given]
    if missing:
        message = f"{op.verb} needs " + ", ".join(f"`{name}`" for name in missing)
        fail(run.sink, "E0207", message, item.inside.key)
    poisoned = any(flow is None for flow in inputs)
    tensors = [Tensor(INPUT, _ANY)] if poisoned else _tensors(run, op, inputs, item)
    try:
        made = construct(op, values, tensors[0].spec)
    except ArgumentError as error:
        wrong = error.argument
        written = given.get(wrong, Literal(None, item.inside))
        if poisoned and (isinstance(error, RankError) or written.place in run.wrong):
            raise Poison from None
        run.wrong.add(written.place)
        labels = run.build.ranks(tensors[0]) if isinstance(error, RankError) else ()
        what = f"{wrong} of {op.verb}"
        run.values.fail(error, what, written, scopes.get(wrong, here), labels=labels)
    if poisoned:
        raise Poison
    blame = {argument: where.place for argument, where in given.items()}

    def origins(argument: str) -> tuple[Label, ...]:
        names = [argument] if argument in given else given
        found = (label for n in names for label in run.values.origins(given[n], scopes[n]))
        return tuple(dict.fromkeys(found))

    return run.build.node(made, inputs, here.frame.level, name, item, blame, origins)


def _like(run: Run, written: Said, here: Here) -> Flow:
    """The item that an argument names."""
    if not isinstance(written, Name | Listed):
        message = "an item is named in the call of an op, not in the value of a parameter"
        fail(run.sink, "E0203", message, written.place.span)
    return run.references(written, here)


def _with_defaults(run: Run, op: type[Op], given: dict[str, Said], here: Here) -> dict[str, Here]:
    """Adds the default arguments of the item's file, then the document's; where each is written."""
    scopes = dict.fromkeys(given, here)
    for file in (here.file, run.document.file):
        settled = Here(file, here.frame, run.outer(file), here.x)
        for argument, written in file.defaults.get(op.verb, {}).items():
            if argument not in given:
                given[argument], scopes[argument] = written, settled
    return scopes


def _tensors(run: Run, op: type[Op], inputs: list[Flow], item: Item) -> list[Tensor]:
    """The inputs, as many as the op takes."""
    tensors = [flow for flow in inputs if isinstance(flow, Tensor)]
    likes = sum(kind(op, name).form == "reference" for name in item.arguments if op.inputs)
    if op.inputs is None and len(tensors) < 2:
        message = f"{op.verb} joins two or more inputs, here {len(tensors)}"
        help = f"write {{{op.verb}: {{}}, from: [a, b]}}"
        fail(run.sink, "E0404", message, item.span, help)
    if op.inputs is not None and len(inputs) != op.inputs + likes:
        message = f"{op.verb} takes {counted(op.inputs, 'input')}, here {len(inputs) - likes}"
        help = "use `each` to apply it to every one, or `concat` or `add` to join them"
        fail(run.sink, "E0404", message, item.span, help)
    return tensors


# blocks

_WORK = 8  # values in a list that are gone through in the time that a parameter takes


@dataclass(frozen=True, slots=True)
class _Call:
    """A block with the names that its body sees, and where it is called."""

    block: Block
    names: Mapping[str, Value]
    origins: Mapping[str, Origin]
    inputs: Flow
    item: Item
    here: Here


def _call(
    run: Run, block: Block, given: Mapping[str, Said], item: Item, here: Here, name: str
) -> Flow:
    """A block under a name: elaborated once for its arguments and inputs, then replayed."""
    if block.body is None or block in run.circular:
        raise Poison
    if block in run.calls:
        chain = " -> ".join(called.name for called in (*run.calls, block))
        message = f"block {block.name} contains itself: {chain}"
        run.circular.add(block)
        help = "a block can only call others; `repeat` makes depth"
        fail(run.sink, "E0211", message, item.inside.key, help)
    names, origins = _names(run, block, given, item, here)
    call = _Call(block, names, origins, _inputs(run, block, item, here), item, here)
    level = here.frame.level
    if block.body.verb not in KINDS:
        return _enter(run, call, level, name)
    if name.startswith("_"):
        with level.below(name):
            return _enter(run, call, level)
    return _scope(run, call, name)


def _inputs(run: Run, block: Block, item: Item, here: Here) -> Flow:
    """What the block is given; as many tensors as its `inputs` say."""
    flows = here.x if isinstance(here.x, tuple) else (here.x,)
    wanted = max(1, len(block.inputs))
    if here.x is not None and len(flows) != wanted:
        message = f"{block.name} takes {counted(wanted, 'input')}, here {len(flows)}"
        fail(run.sink, "E0404", message, item.span, "name them in `from`")
    return here.x


def _names(
    run: Run, block: Block, given: Mapping[str, Said], item: Item, here: Here
) -> tuple[dict[str, Value], dict[str, Origin]]:
    """What the body sees: the document's parameters, then the block's own in order.

    With them comes where the block's own are from.
    """
    names = dict(run.outer(block.file))
    run.build.read(item.span, _WORK * len(block.parameters), len(names))
    origins: dict[str, Origin] = {}
    definition = Here(block.file, here.frame, names, here.x, origins.get)
    failed = False
    for name, parameter in block.parameters.items():
        try:
            if name in given:
                names[name] = run.values.parameter(parameter, given[name], here)
                origins[name] = Origin(given[name], here)
            elif parameter.required:
                fail(run.sink, "E0207", f"{block.name} needs `{name}`", item.inside.key)
            elif parameter.broken or parameter.default is None:
                raise Poison
            else:
                default = parameter.default
                with run.sink.within(item.span, f"in this call of {block.name}"):
                    names[name] = run.values.parameter(parameter, default, definition)
                origins[name] = Origin(default, definition)
        except Poison:
            names.pop(name, None)
            failed = True
    if failed:
        raise Poison
    return names, origins


def _enter(run: Run, call: _Call, level: Level, name: str = "") -> Flow:
    """The body of a block at a level; under a name in it where the body is one op or block."""
    block, body = call.block, call.block.body
    assert body is not None
    flows = call.inputs if isinstance(call.inputs, tuple) else (call.inputs,) * len(block.inputs)
    known: dict[str, Flow] = dict(zip(block.inputs, flows, strict=True))
    frame = Frame(level, call.inputs, len(run.build.taps), None, known)
    inner = Here(block.file, frame, call.names, call.inputs, call.origins.get)
    run.calls.append(block)

    def called_as() -> str:
        path = level.child(name) if name else level.path
        copied = f", repeated as {path}" if call.item.modifiers.copies else ""
        return f"in this call of {block.name}{copied}"

    try:
        with run.sink.within(call.item.span, called_as), run.build.nested(call.item):
            if body.verb in COMBINATORS:
                return combine(run, body, inner)
            return run.apply(run, body, inner, name)
    finally:
        run.calls.pop()


def _scope(run: Run, call: _Call, name: str) -> Flow:
    """A block with a scope of its own, from its record if there is one."""
    build, block, item = run.build, call.block, call.item
    level = call.here.frame.level
    inputs = _as_tuple(call.inputs)
    specs = tuple(tensor.spec for tensor in inputs)
    own = {name: call.names[name] for name in block.parameters}
    key = run.records.key(block, own, specs, run.parameters, run.values.functions)
    build.read(item.span, 0, len(key.around))
    known = run.records.kept.get(key)
    if known and not build.application and call.inputs is not None and build.fits(known):
        return build.replay(known, level.child(name), level.scope, inputs, item)
    assert block.body is not None
    kind, title = KINDS[block.body.verb], run.document.titles[block]
    shown = tuple((name, _shown(run, value)) for name, value in own.items())
    mark, beside = build.mark(), (len(build.taps), len(run.aux))
    inner = build.open(level, name, kind, item, title, shown, specs)
    result = _enter(run, call, inner)
    recorded = build.record(mark, inner.path, inputs, result)
    distinct = len({tensor.id for tensor in inputs}) == len(inputs)
    if (
        result is not None
        and distinct
        and not build.application
        and beside == (len(build.taps), len(run.aux))
    ):
        run.records.keep(key, recorded)
    return result


def _as_tuple(flow: Flow) -> tuple[Tensor, ...]:
    if flow is None:
        return ()
    return flow if isinstance(flow, tuple) else (flow,)


def _shown(run: Run, value: Value) -> Any:
    """The value as the graph keeps it: hashable, a verb by its name and arguments if it has any."""
    if isinstance(value, ItemValue):
        title = run.document.titles[value.block] if value.block is not None else value.verb
        given = tuple((name, _shown(run, part)) for name, part in value.arguments)
        return (title, given) if given else title
    if isinstance(value, dict):
        return tuple((name, _shown(run, part)) for name, part in value.items())
    return tuple(_shown(run, part) for part in value) if isinstance(value, list) else value
