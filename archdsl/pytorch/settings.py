"""A module held to its graph: every setting of every call, and the way that values take.

The module is called once, in training, and every call of a PyTorch or prelude module and of a torch
function is written down with its settings and with what came in; nothing is computed. The nodes of
the graph give the same list, from the table of calls and nothing else. Calls are equal if they are
of one kind, with equal settings and weights, on results of equal calls.
"""

import operator
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial, reduce
from itertools import zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archdsl.diagnostics.errors import Difference
from archdsl.graph.graph import INPUT, Graph, Node
from archdsl.modules.call import Argument, Call
from archdsl.modules.calls import OTHER_NAMES, TORCH, call
from archdsl.modules.overwriting import overwriting
from archdsl.ops.init import PER_GROUP, Init
from archdsl.ops.shape import Reshape
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.allowed import prelude
from archdsl.pytorch.first_values import FirstValues, Steps
from archdsl.pytorch.operations import reshaping

BATCH = 2  # the fewest that batch norm can train on
SHOWN = 300  # characters of a call in a message
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
JOINS: Mapping[str, Callable[[Any, Any], Any]] = {"{+}": operator.add, "{*}": operator.mul}
JOINED = (Tensor.add, Tensor.mul)
WRITTEN = frozenset(name for row in TORCH.values() for name in row.writes)
OURS = WRITTEN & prelude().keys()
Key = tuple[Hashable, ...]


def require_equal(module: nn.Module, graph: Graph, first: FirstValues) -> None:
    """Raises Difference if a module from emitted source is another network than the graph.

    `first` was on while the module was made.
    """
    graph = graph.select(graph.outputs, graph.aux)
    _require_weights(module, graph)
    with torch.no_grad():
        wanted = _Wanted(module, graph)
        made = _Traced(module, graph.inputs, wanted)
    missing = Counter(wanted.calls) - Counter(made.calls)
    for id, number in wanted.by_id.items():
        if missing[number]:
            raise Difference(f"{id}: the source has no {wanted.keys.text(number)}")
    if missing or Counter(made.calls) != Counter(wanted.calls):
        raise Difference("the source calls something more often or less than the graph")
    if made.results != wanted.results:
        raise Difference("the source gives other results than the graph")
    if made.again != wanted.again:
        which = next(iter((made.again - wanted.again) + (wanted.again - made.again)))
        shown = wanted.keys.text(*which)
        raise Difference(f"what is recomputed differs from the graph: {shown}")
    features: Any = getattr(module, "feature_info", {})
    for name, info in features.items():
        channels = graph.spec(graph.outputs[name]).channels
        if info["channels"] != channels:
            raise Difference(
                f"{name} has {info['channels']} channels in the source, not {channels}"
            )
    held = {
        key for node in graph.nodes if node.path in graph.frozen for key, _ in graph.weights(node)
    }
    for key, parameter in module.named_parameters():
        if parameter.requires_grad is (key in held):
            raise Difference(f"{key} is frozen in the source or in the graph alone")
        begins, begun = first.of(parameter), wanted.first[key]
        if begins != begun:
            raise Difference(f"{key} begins with {begins} in the source, with {begun} in the graph")


def _require_weights(module: nn.Module, graph: Graph) -> None:
    made = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    wanted = {key: weight.shape for key, weight in graph.state.items()}
    if list(made.items()) != list(wanted.items()):
        other = [key for key in {**wanted, **made} if made.get(key) != wanted.get(key)]
        if not other:
            raise Difference("the source has the graph's weights in another order")
        shapes = [found.get(other[0], "none") for found in (made, wanted)]
        raise Difference(f"{other[0]}: the source has {shapes[0]}, the graph {shapes[1]}")


class _Keys:
    """Numbers of calls: equal calls have one number, so that a key is short however deep it is."""

    def __init__(self) -> None:
        self.numbers: dict[Key, int] = {}
        self.calls: list[Key] = []

    def number(self, key: Key) -> int:
        if key not in self.numbers:
            self.numbers[key] = len(self.calls)
            self.calls.append(key)
        return self.numbers[key]

    def alike(self, one: int, other: int) -> bool:
        """Whether two calls are of the same kind."""
        kinds = [self.calls[number][0] for number in (one, other)]
        return len({kind[0] if isinstance(kind, tuple) else kind for kind in kinds}) == 1

    def text(self, *numbers: int) -> str:
        shown = " ".join(str(part) for number in numbers for part in self.calls[number])
        return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."


class _Recorder(TorchFunctionMode):
    """Writes calls down; `flows` are the numbers of the calls that gave the tensors at hand."""

    def __init__(self, keys: _Keys) -> None:
        super().__init__()
        self.keys = keys
        self.calls: list[int] = []
        self.flows: dict[int, int] = {}
        self.alive: list[Tensor] = []  # so that no other tensor gets the id of one

    def came(self, tensor: Tensor, number: int) -> Tensor:
        """A tensor is there, or holds another value than before."""
        self.flows[id(tensor)] = number
        self.alive.append(tensor)
        return tensor

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.empty or func.__name__ == "__get__":  # of `_empty`, and a shape
            return func(*args, **(kwargs or {}))
        name = func.__name__.rstrip("_")  # a sum is the same in place
        if name == "contiguous":  # the same numbers, row after row
            return args[0]
        if name == "cat" and len(args[0]) == 1:
            return args[0][0]
        if name == "reshape":  # to a list of sizes, or to one after another
            args = args[0], *(args[1] if isinstance(args[1], list) else args[1:])
        number = self.keys.number((name, self.shown(args), self.shown(kwargs or {})))
        result = self.result(number, func, args, kwargs or {})
        self.calls.append(number)
        if isinstance(result, tuple):
            parts = enumerate(result)
            return tuple(self.came(t, self.keys.number(("part", number, n))) for n, t in parts)
        return self.came(result, number)

    def result(self, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        """What a function gives: a tensor of the right shape, or several."""
        raise NotImplementedError

    def shown(self, value: Any) -> Hashable:
        """Arguments with the numbers of calls instead of tensors."""
        if isinstance(value, Tensor):
            return ("of", self.flows.get(id(value)))
        if isinstance(value, list | tuple):
            return tuple(map(self.shown, value))
        if isinstance(value, dict):
            return tuple((name, self.shown(inner)) for name, inner in value.items())
        return repr(value)


def named(results: Mapping[str, Any], aside: bool) -> dict[tuple[bool, str], Any]:
    """Results by their names, apart from those in training only."""
    return {(aside, name): value for name, value in results.items()}


def by_result(returned: Any, graph: Graph) -> Iterable[tuple[tuple[bool, str], Tensor]]:
    """What training returned, by the names of the results; a field that is not there gives none."""
    said = graph.returns
    if said is not None:
        fields = returned if said.is_dict else returned._asdict()
        if list(fields) != list(said.fields):
            raise Difference(f"the source returns {', '.join(fields)}")
        results = said.results(fields)
        return [((name not in graph.outputs, name), value) for name, value in results.items()]
    main, aside = returned if isinstance(returned, tuple) else (returned, {})
    main = main if isinstance(main, dict) else {"": main}
    return {**named(main, False), **named(aside, True)}.items()


class _Wanted(_Recorder):
    """The calls of a graph, from the table; the last of every node by its id."""

    def __init__(self, module: nn.Module, graph: Graph) -> None:
        super().__init__(_Keys())
        self.graph, self.namespace = graph, vars(sys.modules[type(module).__module__])
        self.over = overwriting(graph)
        self.samples: dict[Any, tuple[Key, nn.Module, FirstValues]] = {}
        self.first: dict[str, Steps] = {}  # by key, how a parameter begins
        self.by_id = {id: self.keys.number((INPUT, id)) for id in graph.inputs}
        self.shapes: dict[int, Any] = {}  # of what calls give; a list of several
        regions: dict[str, list[int]] = {}
        for node in graph.nodes:
            start = len(self.calls)
            self.by_id[node.id] = self.number(node, call(node.op, graph.specs(node)))
            for region in graph.regions(node):
                regions.setdefault(region, []).extend(self.calls[start:])
        self.again = Counter(tuple(sorted(calls)) for calls in regions.values() if calls)
        found = {**named(graph.outputs, False), **named(graph.aux, True)}
        self.results = {name: self.by_id[id] for name, id in found.items()}

    def number(self, node: Node, row: Call) -> int:
        if row.target == "nn.Identity":
            return self.by_id[node.inputs[0]]
        if isinstance(node.op, Reshape):
            row = reshaping(node.op)
        if row.form != "module":
            return self.function(node, row)
        extra = (Argument("inplace", value=True),) if node.id in self.over else ()
        found, sample, first = self.sample(row.target, (*row.arguments, *extra))
        if node.weights:
            self.begin(node, sample, first)
        given = tuple(("of", self.by_id[id]) for id in node.inputs)
        number = self.keys.number((found, node.path if node.weights else "", given))
        self.shapes[number] = (BATCH, *node.output.shape)
        self.calls.append(number)
        return number

    def result(self, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        shape = _shape(func, args, kwargs)
        made = _empty(shape) if shape else func(*args, **kwargs)
        several = isinstance(made, tuple)
        self.shapes[number] = [tuple(t.shape) for t in made] if several else tuple(made.shape)
        return made

    def sample(
        self, target: str, arguments: tuple[Argument, ...]
    ) -> tuple[Key, nn.Module, FirstValues]:
        """The settings of a module as the table says it, the module, and how it begins."""
        known = (target, repr(arguments))
        if known not in self.samples:
            with FirstValues() as first:
                made = self.made(target, arguments)
            self.samples[known] = settings(made), made, first
        return self.samples[known]

    def made(self, target: str, arguments: tuple[Argument, ...]) -> Any:
        """What a row of the table makes, a module or a tensor."""
        positional = [a.value for a in arguments if not a.keyword]
        keyword = {a.name: a.value for a in arguments if a.keyword}
        package, _, title = target.rpartition(".")
        where = {"nn": vars(nn), "torch": vars(torch)}.get(package, self.namespace)
        return where[title](*positional, **keyword)

    def begin(self, node: Node, sample: nn.Module, first: FirstValues) -> None:
        """How the parameters of a node begin: as PyTorch's, then by the scheme of its weights.

        A module that holds linear layers starts these.
        """
        steps = {name: first.of(parameter) for name, parameter in sample.named_parameters()}
        init: Init | None = getattr(node.op, "init", None)
        held = [
            f"{name}."
            for name, inner in sample.named_modules()
            if name and type(inner) is nn.Linear
        ]
        schemes = {"weight": init, "bias": init.bias} if init is not None else {}
        for prefix in held or [""]:
            for title, scheme in schemes.items():
                key = f"{prefix}{title}"
                if scheme is not None and key in steps:
                    groups = getattr(sample, "groups", None)
                    steps[key] = _filled(scheme, tuple(sample.get_parameter(key).shape), groups)
        self.first |= {f"{node.path}.{name}": found for name, found in steps.items()}

    def function(self, node: Node, row: Call) -> int:
        """What a function of the table calls; the text that is run here is the table's alone."""
        tensors = [
            self.came(_empty((BATCH, *self.graph.spec(id).shape)), self.by_id[id])
            for id in node.inputs
        ]
        names = {f"x{n}": tensor for n, tensor in enumerate(tensors)}
        values: dict[str, Any] = {a.name: a.value for a in row.arguments}
        template = row.target
        if row.form == "parameter":
            (weight,) = node.weights
            number = self.keys.number(("parameter", node.path))
            tensor = self.came(_empty(weight.shape), number)
            with FirstValues() as first:
                self.first[node.path] = first.of(self.made(row.target, row.arguments))
            template, values = row.use, {a.name: a.value for a in row.settings}
            values["weight"] = tensor
        with self:
            if template in JOINS:
                result = reduce(JOINS[template], tensors)
            else:
                slots = {name: name for name in values}
                text = template.format(*names, all=", ".join(names), **slots)
                result = eval(text, {**self.namespace, "torch": torch, "F": F, **names, **values})
        return self.flows[id(result)]


class _Traced(_Recorder):
    """The calls of a module; `results` are the numbers of what it returns, by name.

    A call that the graph has too gives a tensor of the graph's shape. Raises Difference at the
    first that the graph does not have.
    """

    def __init__(self, module: nn.Module, given: Mapping[str, TensorSpec], wanted: _Wanted) -> None:
        super().__init__(wanted.keys)
        self.wanted = wanted
        called = [(path, part) for path, part in module.named_modules() if _is_called(part)]
        for path, part in called:
            part.forward = partial(self.call, part, settings(part), path)
        for path, parameter in module.named_parameters():
            self.came(parameter, self.keys.number(("parameter", path)))
        inputs = [
            self.came(_empty((BATCH, *spec.shape)), wanted.by_id[name])
            for name, spec in given.items()
        ]
        self.again: Counter[tuple[int, ...]] = Counter()  # the calls of recomputed parts
        training, helper = module.training, wanted.namespace.get("recomputed")
        wanted.namespace["recomputed"] = self.recomputed
        try:
            with self:
                result = module.train()(*inputs)
        finally:
            module.train(training)
            wanted.namespace["recomputed"] = helper
            for _, part in called:
                del part.forward
        self.results = {
            name: self.flows.get(id(tensor)) for name, tensor in by_result(result, wanted.graph)
        }

    def recomputed(self, part: Callable[..., Any], *inputs: Tensor, **settings: Any) -> Any:
        """A call of a part that is recomputed."""
        start = len(self.calls)
        result = part(*inputs, **settings)
        if calls := tuple(sorted(self.calls[start:])):
            self.again[calls] += 1
        return result

    def call(
        self, part: nn.Module, found: Key, path: str, x: Tensor, *others: Tensor,
        need_weights: bool = True,
    ) -> Any:  # fmt: skip
        """A call of a module of the table; attention of a tensor to itself gives a pair."""
        if any(other is not x for other in others) or bool(others) is need_weights:
            raise Difference(f"{path}: the source calls it with several tensors")
        kept = part._buffers.keys() - part._non_persistent_buffers_set
        buffers = any(part._buffers[name] is not None for name in kept)
        weighted = buffers or any(True for _ in part.parameters())
        number = self.keys.number((found, path if weighted else "", (self.shown(x),)))
        given = x if getattr(part, "inplace", False) else self.known(number, path)
        self.calls.append(number)
        made = self.came(given, number)
        return (made, None) if others else made

    def result(self, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        made = self.known(number, func.__name__)
        inplace = func.__name__.endswith("_") and not func.__name__.endswith("__")
        return args[0] if inplace else made

    def known(self, number: int, where: str) -> Any:
        """A tensor as the graph's call of that number gives it, or several."""
        if number not in self.wanted.shapes:
            met = set(self.calls)
            near = [n for n in self.wanted.calls if n not in met and self.keys.alike(n, number)]
            instead = f", the graph has {self.keys.text(near[0])}" if near else ""
            raise Difference(f"{where}: the source has {self.keys.text(number)}{instead}")
        shape = self.wanted.shapes[number]
        return tuple(map(_empty, shape)) if isinstance(shape, list) else _empty(shape)


def _filled(init: Init, shape: tuple[int, ...], groups: int | None) -> Steps:
    """How a scheme fills a tensor; the fans of a group are those of all, divided."""
    first = FirstValues()
    with first:
        tensor = torch.empty(shape)
        settings = {n: "fan_out" if v == PER_GROUP else v for n, v in init.settings}
        getattr(nn.init, f"{init.scheme}_")(tensor, **settings)
        if ("mode", PER_GROUP) in init.settings and groups is not None:
            tensor.mul_(groups**0.5)
    return first.of(tensor)


def _shape(func: Any, args: Any, kwargs: Any) -> tuple[int, ...]:
    """What functions give for which PyTorch would load its compiler first; () of others."""
    if func in JOINED:
        shapes = [arg.shape if isinstance(arg, Tensor) else () for arg in args]
        columns = zip_longest(*map(reversed, shapes), fillvalue=1)
        return tuple(map(max, columns))[::-1]
    if func is F.interpolate and kwargs.get("size") is not None:
        return (*args[0].shape[:2], *kwargs["size"])
    if func is not torch.cat:
        return ()
    tensors, axis = args
    shape = list(tensors[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
    return tuple(shape)


def _empty(shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, device="meta")


def settings(module: nn.Module) -> Key:
    """All that a module was made with: its attributes, the shapes of its tensors, its children."""
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    own.pop("training")
    tensors = [
        (name, tensor is not None and tuple(tensor.shape))
        for name, tensor in (*module._parameters.items(), *module._buffers.items())
    ]
    inner = [(name, settings(child)) for name, child in module.named_children()]
    return (
        type(module).__name__,
        *(f"{n}={_number(v)!r}" for n, v in sorted(own.items())),
        *tensors,
        *inner,
    )


def _number(value: Any) -> Any:
    """A setting; a whole number is one however it is written."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_called(part: nn.Module) -> bool:
    """Whether a module is one of the table, not a class of the source or a container."""
    if isinstance(part, nn.Identity) or type(part) in CONTAINERS:
        return False
    name = type(part).__name__
    ours = type(part) is not getattr(nn, name, None)
    if ours:  # what a `Reshape` does is a function elsewhere
        return (name in OURS and name != Reshape.__name__) or name in OTHER_NAMES
    return f"nn.{name}" in WRITTEN or f"nn.{name}" in OTHER_NAMES
