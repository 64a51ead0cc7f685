"""What a verb does; a block is elaborated once and then replayed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archdsl.diagnostics.suggest import did_you_mean
from archdsl.diagnostics.text import as_yaml, counted
from archdsl.elaborate.combinators import KINDS, combine, kind_of, split
from archdsl.elaborate.dilating import Lattice
from archdsl.elaborate.env import (
    Evaluated,
    Flow,
    Frame,
    Here,
    ItemValue,
    Level,
    Origin,
    Origins,
    Poison,
    Said,
    Tensor,
    fail,
)
from archdsl.elaborate.items import Run
from archdsl.elaborate.lookup import listed
from archdsl.elaborate.ops import add_op, with_defaults
from archdsl.expressions.expression import Value
from archdsl.language.arguments import is_required
from archdsl.language.patterns import ALL, ANYWHERE
from archdsl.language.replacing import Replacements
from archdsl.language.syntax import (
    COMBINATORS,
    SPLIT,
    Block,
    Formula,
    Item,
    Replacement,
    as_written,
)
from archdsl.ops import OPS, kind
from archdsl.ops import arguments as declared_of


def apply(run: Run, item: Item, here: Here, name: str) -> Flow:
    """What the verb of an item gives, under a name."""
    if item.verb == SPLIT:
        return split(run, item, here, name)
    if item.verb in COMBINATORS:
        level = here.frame.level
        if name.startswith("_"):
            return combine(run, item, here.at(level.below(name)))
        return combine(run, item, here.inside(run.build.open(level, name, kind_of(item), item)))
    arguments: Mapping[str, Said] = item.arguments
    if item.chosen is None:
        verb, block = item.verb, here.file.block(item.verb)
    else:
        verb, block, arguments = _chosen(run, item, item.chosen, here)
    if block is not None:
        return _call(run, block, arguments, item, here, name)
    path = here.frame.level.child(name)
    rule = run.replacing.of(verb, path) if here.frame.replaces else None
    if rule is None:
        return add_op(run, OPS[verb], arguments, item, here, name)
    with run.sink.within(item.span, f"this {verb} is replaced"):
        verb, block, arguments = _replaced(run, rule, arguments, item, here)
        run.build.replaced.append((rule, path))
        there = replace(here, frame=replace(here.frame, replaces=False))
        if block is not None:
            return _call(run, block, arguments, item, there, name)
        return add_op(run, OPS[verb], arguments, item, here, name)


def _replaced(
    run: Run, rule: Replacement, written: Mapping[str, Said], item: Item, here: Here
) -> tuple[str, Block | None, Mapping[str, Said]]:
    """What stands for an op: its arguments, and those of the op that it takes, too."""
    file = run.document.file
    value = run.values.item(rule.by, Here(file, here.frame, run.setting.parameters, here.x))
    op, block = OPS[rule.op], value.block
    if block is not None and block.body is not None and block.body.verb == "inline":
        message = f"{value.verb} is `inline`: it has no level for the name of what it replaces"
        fail(run.sink, "E0204", message, rule.by.place.span, "write `seq` instead")
    known = declared_of(OPS[value.verb]) if block is None else block.parameters
    own = dict(value.arguments)
    said = {name: part for name, part in written.items() if name in known and name not in own}
    settled = {name for f in (here.file, file) for name in f.defaults.get(value.verb, ())}
    arguments: dict[str, Said] = {}
    for name, (part, there) in with_defaults(run, op, said, here).items():
        if name not in known or name in own or (name in settled and name not in said):
            continue
        declared = kind(op, name)
        if declared.form == "reference":
            arguments[name] = part
        else:
            arguments[name] = Evaluated(run.values.argument(part, declared, there), part.place)
    for name, argument in own.items():
        origin = value.origins[name]
        arguments[name] = Evaluated(argument, origin.written.place, origin)
    needed = [name for name, declared in known.items() if is_required(declared)]
    missing = [f"`{name}`" for name in needed if name not in {*arguments, *settled}]
    if missing:
        message = f"{value.verb} needs {', '.join(missing)}"
        help = f"write `replace: {{{op.verb}: {{{value.verb}: {{...}}}}}}`"
        fail(run.sink, "E0207", message, rule.by.place.span, help)
    return value.verb, block, arguments


def _chosen(
    run: Run, item: Item, chosen: Formula, here: Here
) -> tuple[str, Block | None, Mapping[str, Said]]:
    """The verb behind `$name`, its block if it is one, and the arguments, its own among them."""
    value = run.values.item(chosen, here)
    arguments: dict[str, Said] = dict(item.arguments)
    for name, argument in value.arguments:
        if name in arguments:
            message = f"`{name}` is given twice: here and in the value of {item.verb}"
            fail(run.sink, "E0206", message, arguments[name].place.key)
        arguments[name] = Evaluated(argument, item.inside, value.origins.get(name))
    known = value.block.parameters if value.block is not None else declared_of(OPS[value.verb])
    unknown = [name for name in arguments if name not in known]
    for name in unknown if value.block is None or not value.block.broken else ():
        message, help = f"{value.verb} has no argument `{name}`", did_you_mean(name, known)
        span = arguments[name].place.key
        if value.block is not None and span and span.file != value.block.file.source.name:
            help = f"this call stands in another file: declare it in {value.verb}, `{name}: ...`"
        run.sink.error("E0206", message, span, help=help)
    if unknown:
        raise Poison
    return value.verb, value.block, arguments


_WORK = 8  # values in a list that are gone through in the time that a parameter takes


@dataclass(frozen=True, slots=True)
class _Call:
    """A block with the names that its body sees, and where it is called."""

    block: Block
    names: Mapping[str, Value]
    origins: Origins
    inputs: Flow
    item: Item
    here: Here


def _call(
    run: Run, block: Block, arguments: Mapping[str, Said], item: Item, here: Here, name: str
) -> Flow:
    """A block under a name: elaborated once for its arguments and inputs, then replayed."""
    if block.body is None or block in run.circular:
        raise Poison
    calls, level = here.frame.calls, here.frame.level
    if block in calls:
        chain = " -> ".join(called.name for called in (*calls, block))
        message = f"block {block.name} contains itself: {chain}"
        run.circular.add(block)
        help = "a block can only call others; `repeat` makes depth, and a list of labels a tree"
        help += " (the gallery's dla34)"
        fail(run.sink, "E0211", message, item.inside.key, help)
    names, origins = _names(run, block, arguments, item, here)
    call = _Call(block, names, origins, _inputs(run, block, item, here), item, here)
    if block.body.verb not in KINDS:
        return _enter(run, call, level, name)
    if name.startswith("_"):
        return _enter(run, call, level.below(name))
    return _scope(run, call, name)


def _inputs(run: Run, block: Block, item: Item, here: Here) -> Flow:
    """What the block is given; as many tensors as its `inputs` say."""
    flows = here.x if isinstance(here.x, tuple) else (here.x,)
    wanted = max(1 - bool(block.rest), len(block.inputs))
    fits = len(flows) >= wanted if block.rest else len(flows) == wanted
    if here.x is not None and not fits:
        least = "at least " if block.rest else ""
        message = f"{block.name} takes {least}{counted(wanted, 'input')}, here {len(flows)}"
        fail(run.sink, "E0404", message, item.span, "name them in `from`")
    return here.x


def _names(
    run: Run, block: Block, arguments: Mapping[str, Said], item: Item, here: Here
) -> tuple[dict[str, Value], Origins]:
    """What the body sees: the document's parameters, then the block's own in order.

    With them comes where the block's own are from.
    """
    names, sources = dict(run.outer(block.file)), dict[str, Said]()
    run.budget.read(item, _WORK * len(block.parameters), len(names))

    def origin(name: str) -> Origin | None:
        if name not in sources:
            return None
        return Origin(sources[name], here if name in arguments else definition)

    definition = Here(block.file, here.frame, names, here.x, origin)
    constants, failed = run.values.constants(block), False
    for name, parameter in block.parameters.items():
        try:
            if name in arguments:
                names[name] = run.values.parameter(parameter, arguments[name], here)
                sources[name] = arguments[name]
            elif name in constants and parameter.default is not None:
                names[name], sources[name] = constants[name], parameter.default
            elif parameter.required:
                fail(run.sink, "E0207", f"{block.name} needs `{name}`", item.inside.key)
            elif parameter.broken or parameter.default is None:
                raise Poison
            else:
                with run.sink.within(item.span, f"in this call of {block.name}"):
                    names[name] = run.values.parameter(parameter, parameter.default, definition)
                sources[name] = parameter.default
        except Poison:
            names.pop(name, None)
            failed = True
    if failed:
        raise Poison
    return names, origin


def _enter(run: Run, call: _Call, level: Level, name: str = "") -> Flow:
    """The body of a block at a level; under a name in it where the body is one op or block."""
    block, body, outer = call.block, call.block.body, call.here.frame
    assert body is not None
    known = _given(block, call.inputs)
    calls = (*outer.calls, block)
    frame = Frame(level, call.inputs, len(run.build.tapped), None, known, calls, outer.aux)
    frame.replaces = outer.replaces
    inner = Here(block.file, frame, call.names, call.inputs, call.origins)

    def named(run: Run, body: Item, inner: Here) -> Flow:
        return run.apply(run, body, inner, name)

    def called_as() -> str:
        path = level.child(name) if name else level.path
        copied = f", repeated as {path}" if call.item.modifiers.copies else ""
        return f"in this call of {block.name}{copied}"

    with run.sink.within(call.item.span, called_as):
        run.budget.enter(call.item)
        try:
            made = combine if body.verb in COMBINATORS and body.verb != SPLIT else named
            result = made(run, body, inner)
            return _outputs(run, block, result, inner)
        finally:
            run.budget.leave()


def _given(block: Block, inputs: Flow) -> dict[str, Flow]:
    """What a block is given, by the names of its inputs."""
    flows = inputs if isinstance(inputs, tuple) else (inputs,) * max(1, len(block.inputs))
    count = len(block.inputs)
    known: dict[str, Flow] = dict(zip(block.inputs, flows, strict=False))
    if block.rest:
        known[block.rest] = listed(flows[count:]) if inputs is not None else None
    return known


def _outputs(run: Run, block: Block, result: Flow, inner: Here) -> Flow:
    """What a block gives: what its body does, or a list of its `outputs`."""
    if block.outputs is None:
        return result
    found: list[Flow] = []
    for name in block.outputs.values():
        found.append(run.lookup.reference(name, inner) if name is not None else None)
        if isinstance(found[-1], tuple) and name is not None:
            message = f"`{name.text}` is a list, which cannot be a part of what {block.name} gives"
            fail(run.sink, "E0404", message, name.place.span)
    return listed(found)


def _scope(run: Run, call: _Call, name: str) -> Flow:
    """A block with a scope of its own, from its record if there is one."""
    build, block, item, frame = run.build, call.block, call.item, call.here.frame
    assert block.body is not None
    level, records, inputs = frame.level, run.records(), _as_tuple(call.inputs)
    path = level.child(name)
    specs = tuple([tensor.spec for tensor in inputs])
    own = {name: call.names[name] for name in block.parameters}
    around, replacing = run.setting, run.replacements(path, call.here)
    lattices = tuple(build.dilating.of([tensor]) for tensor in inputs)
    beside = replacing, build.dilating.most, lattices
    key = records.key(block, own, specs, around.parameters, around.functions, beside)
    run.budget.read(item, 0, len(key.around))
    if not level.application and call.inputs is not None:
        known = records.find(key, run.budget)
        if known is not None and build.fits(known, path):
            return build.replay(known, path, level.scope, inputs, item)
    kind, title = kind_of(block.body), run.document.titles[block]
    shown = _shown_arguments(run, own, replacing, lattices)
    before = (len(build.tapped), len(frame.aux))
    with build.recording(path, inputs) as recorded:
        result = _enter(run, call, build.open(level, name, kind, item, title, shown, specs))
    distinct = len({tensor.id for tensor in inputs}) == len(inputs)
    alone = before == (len(build.tapped), len(frame.aux))
    if result is not None and distinct and not level.application and alone:
        run.records().keep(key, recorded(result))
    return result


def _as_tuple(flow: Flow) -> tuple[Tensor, ...]:
    if flow is None:
        return ()
    return flow if isinstance(flow, tuple) else (flow,)


def _shown_arguments(
    run: Run, own: Mapping[str, Value], replacing: Replacements, lattices: Iterable[Lattice | None]
) -> tuple[tuple[str, Any], ...]:
    """The arguments of a block as the graph keeps them, and what else tells it from its like."""
    shown = [(name, _shown(run, value, replacing)) for name, value in own.items()]
    others: dict[str, str] = {}
    for rule, ahead in replacing.rules:
        if rule.at != ANYWHERE:
            name = rule.op + "_" * (rule.op in own)
            where = "" if ahead == ALL else f" at {rule.at[min(ahead) :]}"
            before = f"{others[name]}, " if name in others else ""
            others[name] = f"{before}{as_yaml(as_written(rule.by))}{where}"
    shown += others.items()
    found = [str(lattice) for lattice in lattices if lattice is not None and lattice.pixels]
    if found:
        shown.append(("lattice" + "_" * ("lattice" in own), " and ".join(dict.fromkeys(found))))
    return tuple(shown)


def _shown(run: Run, value: Value, replacing: Replacements) -> Any:
    """The value as the graph keeps it: hashable, a verb by its name and arguments if it has any."""
    if isinstance(value, ItemValue):
        title = run.document.titles[value.block] if value.block is not None else value.verb
        rule = replacing.of(value.verb) if value.block is None and replacing.uniform else None
        if rule is not None:
            return as_yaml(as_written(rule.by))
        arguments = tuple((name, _shown(run, part, replacing)) for name, part in value.arguments)
        return (title, arguments) if arguments else title
    if isinstance(value, dict):
        return tuple((name, _shown(run, part, replacing)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(_shown(run, part, replacing) for part in value)
    return value
