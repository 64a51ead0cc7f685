"""A module run once on tensors without values, and every call in it written down.

Functions are seen as PyTorch's users call them (`F.conv2d` with its stride, not what it becomes),
so that their settings are at hand; a module is a frame around the calls in it. Nothing is computed
and nothing of the module changes. The batch has a size that nothing else has, so that it is told
apart.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.flop_counter import FlopCounterMode

from archdsl.diagnostics.errors import ModuleError
from archdsl.importing.calls import (
    ALONG,
    ANYWHERE,
    JOINING,
    QUESTIONS,
    READ,
    SEEN,
    SPREADING,
    WRITING,
)
from archdsl.importing.patches import patched, unchanged
from archdsl.importing.values import BATCH, Fixed, Frame, Learned, Made, Reader, Step, Unread, Value
from archdsl.ops import ArgumentError, Op, ShapeError, Weight, construct
from archdsl.ops.base import times
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.first_values import memory_of

NOT_THEIRS = tuple(f"{Path(file).parent}{os.sep}" for file in (__file__, str(torch.__file__)))


def place() -> str:
    """The line of the user's code that is running: `net.py:12`."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(NOT_THEIRS):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


Helper = tuple[Any, str, Any, Reader]  # where a function stands, its name, itself, its reader


class Recorder(TorchFunctionMode):
    """Writes down what a module does; `functions` and `modules` are those that ops stand for."""

    def __init__(
        self,
        module: nn.Module,
        functions: Mapping[str, Reader],
        modules: Callable[[nn.Module], Reader | None],
        opaque: Callable[..., Op],
        helpers: Callable[[Iterable[nn.Module]], Iterable[Helper]],
        source: type[Op],
    ) -> None:
        super().__init__()
        self.source = source  # the op of a learned tensor that flows
        self.functions, self.modules, self.opaque = functions, modules, opaque
        self.helpers = helpers
        self.flows: dict[int, Value | Learned] = {}
        self.constants: dict[int, Fixed] = {}
        self.alive: list[Tensor] = []  # so that no other tensor gets the id of one
        self.born: dict[int, int] = {}  # when a tensor was there first
        self.written: dict[int, tuple[int, int, str]] = {}  # by memory: when, which tensor, where
        self.state: dict[str, tuple[int, ...]] = {}
        self.quiet = False
        self.flown: dict[tuple[Frame, int], tuple[Learned, Value]] = {}  # learned tensors by module
        self.result: Any = None
        self.called = ""
        self.failed: tuple[Exception, str] | None = None  # the first error, and in which module
        self.root = self.frame = Frame("", module, None)
        kept = module.state_dict(keep_vars=True)
        self.state = {key: tuple(tensor.shape) for key, tensor in kept.items()}
        for key, tensor in (*module.named_parameters(), *module.named_buffers()):
            trained = isinstance(tensor, nn.Parameter)
            if key not in self.state and not trained:
                continue  # not kept in files: a constant
            self.came(tensor, Learned(key, tuple(tensor.shape), trained))

    # running

    def run(self, inputs: Iterable[Tensor], named: Mapping[str, Tensor]) -> Any:
        """What the module returns for tensors whose batch is `BATCH`."""
        module = self.root.module
        parts = [(path, part) for path, part in module.named_modules() if path]
        with ExitStack() as stack:
            for path, part in parts:
                stack.enter_context(patched(part, partial(self.call, path, part, part.forward)))
            for holder, name, function, reader in self.helpers(part for _, part in parts):
                called = partial(self.help, function, reader)
                stack.enter_context(patched(holder, called, name))
            stack.enter_context(unchanged(part for _, part in parts))
            with self:
                return self._run(inputs, named)

    def _run(self, inputs: Iterable[Tensor], named: Mapping[str, Tensor]) -> Any:
        try:
            with torch.no_grad():
                return self.root.module(*inputs, **named)
        except ModuleError:
            raise
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            raise self.wrong(f"what it does depends on values: {_said(error)}", error) from error
        except Exception as error:  # of the user's code, on a batch of another size
            kind = type(error).__name__
            raise self.wrong(
                f"it fails on a batch of {BATCH}: {kind}: {_said(error)}", error
            ) from error

    def wrong(self, message: str, error: BaseException | None = None) -> ModuleError:
        """An error at the module and the line that are running."""
        line = _line_of(error) if error is not None else place()
        where = (
            self.failed[1] if self.failed is not None and error is self.failed[0] else self.where
        )
        return ModuleError(f"{where}: {message} ({line})")

    @property
    def where(self) -> str:
        frame = self.frame
        kind = type(frame.module).__name__
        return f"{frame.path} ({kind})" if frame.path else kind

    def came(self, tensor: Tensor, flow: Value | Learned) -> Tensor:
        """A tensor is there, or holds another value than before."""
        self.flows[id(tensor)] = flow
        if id(tensor) not in self.born:
            self.born[id(tensor)] = len(self.alive)
            self.alive.append(tensor)
        return tensor

    # modules

    def call(self, path: str, module: nn.Module, forward: Any, *args: Any, **kwargs: Any) -> Any:
        """A call of a module: an op of its own, or a frame."""
        if self.quiet:
            return forward(*args, **kwargs)
        outer = self.frame
        self.frame = Frame(path, module, outer)
        outer.parts.append(self.frame)
        reader = self.modules(module)
        try:
            if reader is not None:
                done = self.as_op(reader, forward, args, kwargs)
                if done is not None:
                    return done[0]
            result = forward(*args, **kwargs)
            return self.settled(result, forward, args, kwargs)
        except ModuleError:
            raise
        except Exception as error:
            self.failed = self.failed or (error, self.where)
            raise
        finally:
            self.frame = outer

    def help(self, function: Any, reader: Reader, *args: Any, **kwargs: Any) -> Any:
        """A call of a function that is one op as a whole."""
        if self.quiet:
            return function(*args, **kwargs)
        before = len(self.frame.parts)
        try:
            read = reader(self, *self.known(args), **self.known(kwargs))
        except (Unread, TypeError, ArgumentError, ShapeError):
            del self.frame.parts[before:]
            return function(*args, **kwargs)
        self.quiet = True
        try:
            result = function(*args, **kwargs)
        finally:
            self.quiet = False
        return self.bound(result, read)

    def as_op(self, reader: Reader, forward: Any, args: Any, kwargs: Any) -> tuple[Any] | None:
        """What a module gives that is an op as a whole; None if its settings are not those."""
        given, named = self.known(args), self.known(kwargs)
        try:
            read = reader(self, self.frame.path, self.frame.module, *given, **named)
        except (Unread, TypeError, ArgumentError, ShapeError):
            self.frame.parts.clear()
            return None
        self.quiet = True
        try:
            result = forward(*args, **kwargs)
        finally:
            self.quiet = False
        return (self.bound(result, read),)

    def settled(self, result: Any, forward: Any, args: Any, kwargs: Any) -> Any:
        """The result of a module; one that no op of ours gives makes the module opaque."""
        frame = self.frame
        tensors = [t for t in tree_flatten(result)[0] if isinstance(t, Tensor)]
        given = [self.flows.get(id(t)) for t in tree_flatten((args, kwargs))[0]]
        values = list(dict.fromkeys(f for f in given if isinstance(f, Value)))
        main = self.flows.get(id(tensors[0])) if tensors else None  # the others have none then
        if not isinstance(main, Value) or not main.problem or any(v.problem for v in values):
            return result
        if not values or tensors[0].shape[:1] != (BATCH,):
            return result
        prefix = f"{frame.path}."
        keys = [key for key in self.state if key.startswith(prefix)]
        trained = dict(frame.module.named_parameters())
        weights = tuple(
            Weight(key[len(prefix) :], self.state[key], "parameter" if n in trained else "buffer")
            for key in keys
            for n in [key[len(prefix) :]]
        )
        frame.parts.clear()
        title, spec = type(frame.module).__name__, TensorSpec(tuple(tensors[0].shape[1:]))
        counted = self.counted(forward, args, kwargs)
        op = self.opaque(title, spec, weights, counted, main.problem, len(values))
        value = self.step(op, values, spec, weights, frame.path, title.lower())
        self.came(tensors[0], value)
        return result

    # functions

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").partition(".")[0]
        if self.quiet:
            return func(*args, **kwargs)
        if name == "__get__" and isinstance(args[0], Tensor):
            name = getattr(func.__self__, "__name__", "")  # of an attribute: `T`, `shape`
            if name not in ("T", "mT", "data"):
                return func(*args, **kwargs)
        elif name in QUESTIONS:
            return func(*args, **kwargs)
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
        flows = [self.flow_of(t) for t in tensors]
        values = [flow for flow in flows if isinstance(flow, Value)]
        if name in READ and values:
            raise self.wrong(f"what it does depends on the values of a tensor (`{name}`)")
        self.result = result = func(*args, **kwargs)
        made = [t for t in tree_flatten(result)[0] if isinstance(t, Tensor)]
        if not made and name not in WRITING:
            return result
        writes = name in WRITING or (name.endswith("_") and not name.endswith("__"))
        if writes and tensors:
            self.write(name, tensors[0], bool(values))
        if not values:
            return self.constant(name, result, made, flows, args, kwargs)
        if name == "__setitem__":
            problem = f"it writes into a part of a tensor ({place()})"
            self.came(tensors[0], Value(TensorSpec((1,)), problem=problem))
            return result
        return self.read(func, name, args, kwargs, values, writes or kwargs.get("inplace") is True)

    def flow_of(self, tensor: Tensor) -> Value | Learned | None:
        """What is known of a tensor; raises ModuleError if another has written over it since."""
        flow, memory = self.flows.get(id(tensor)), memory_of(tensor)
        if memory in self.written and isinstance(flow, Value):
            when, by, where = self.written[memory]
            if by != id(tensor) and self.born.get(id(tensor), when) < when:
                line = "" if where == place() else f" at {where}"
                raise self.wrong(f"it reads a tensor that was written over in place{line}")
        return flow

    def write(self, name: str, tensor: Tensor, flows: bool) -> None:
        """Something is written over in place, which may not be a weight."""
        flow = self.flows.get(id(tensor))
        if isinstance(flow, Learned) and flow.key:
            if flow.key.endswith("num_batches_tracked"):
                return  # by a batch norm in training
            raise self.wrong(f"`{name}` changes {flow.key}: a network of ours keeps its buffers")
        if isinstance(flow, Value) and flow.input:
            raise self.wrong(f"`{name}` writes over the input in place")
        self.written[memory_of(tensor)] = (len(self.alive), id(tensor), place())

    def constant(
        self, name: str, result: Any, made: Sequence[Tensor], flows: Any, args: Any, kwargs: Any
    ) -> Any:
        """What depends on no input: of one weight with other axes of size 1 that is known."""
        learned = [flow for flow in flows if isinstance(flow, Learned)]
        if not learned and name in SEEN and len(made) == 1:
            self.fixed(name, made[0], args, kwargs)
        for tensor in made if learned else ():
            (first, shape) = learned[0], tuple(tensor.shape)
            alike = len(learned) == 1 and name in SEEN and _wide(shape) == _wide(first.shape)
            call = Made(name, self.known(args), self.known(kwargs), result)
            key = first.key if alike else ""
            self.came(tensor, Learned(key, shape, first.trained, call))
        return result

    def fixed(self, name: str, result: Tensor, args: Any, kwargs: Any) -> None:
        """Keeps the numbers of a constant that is seen in another shape."""
        given = self.known(args)
        first = given[0] if given else None
        if isinstance(first, Fixed) and first.values is not None and result.shape != first.shape:
            with unset_fake_temporarily():
                shaped = first.values.reshape(tuple(result.shape))
            self.constants[id(result)] = Fixed(tuple(result.shape), shaped)
            self.alive.append(result)

    def flowing(self, learned: Any, beside: Value) -> Any:
        """A learned tensor as one that flows beside another, once in a module; raises Unread where
        it cannot."""
        if not isinstance(learned, Learned):
            return learned
        _, known = self.flown.get((self.frame, id(learned)), (learned, None))
        there = {step.output for step in self.frame.steps()} if known is not None else set()
        if known is None or (known.of or known) not in there:  # a reader that gave up takes it away
            known = self._flowing(learned, beside)
            self.flown[self.frame, id(learned)] = learned, known
        return known

    def _flowing(self, learned: Learned, beside: Value) -> Value:
        if learned.made is None:
            shape = self.state.get(learned.key)
            if not shape or shape != learned.shape:
                raise Unread(f"a computation with {learned.key or 'weights'}")
            own = learned.key.rpartition(".")[2]
            op = construct(self.source, {"shape": list(shape)}, beside.spec)
            spec = op.infer(beside.spec)
            weights = op.weights(beside.spec)
            return self.step(op, [beside], spec, weights, learned.key, own).seen(None)
        made = learned.made
        reader = self.functions.get(
            made.name if made.name.endswith("__") else made.name.rstrip("_")
        )
        if reader is None:
            raise Unread(f"`{made.name}` of weights")
        args, kwargs = tree_map(
            lambda a: self.flowing(a, beside), (made.args, made.kwargs),
            is_leaf=lambda a: isinstance(a, Learned),
        )  # fmt: skip
        outer = self.result, self.called
        self.result, self.called = made.result, made.name
        try:
            read = reader(self, *args, **kwargs)
        finally:
            self.result, self.called = outer
        if isinstance(read, Value):
            whole = tuple(made.result.shape)[1:] == read.spec.shape  # it has the batch in front
            return read.seen(0 if made.result.shape[:1] == (BATCH,) and whole else None)
        raise Unread("several tensors of weights")

    def read(
        self, func: Any, name: str, args: Any, kwargs: Any, values: Sequence[Value], over: bool
    ) -> Any:
        """A call on what flows: by the function that knows it, else with its problem."""
        result, read, self.called = self.result, None, name.rstrip("_")
        broken = next((value for value in values if value.problem), None)
        functional = getattr(func, "__module__", "") == "torch.nn.functional"
        reader = (self.functions.get(f"F.{name}") if functional else None) or self.functions.get(
            name.rstrip("_") if not name.endswith("__") else name
        )
        problem = broken.problem if broken else ""
        before = len(self.frame.parts)
        if broken is None:
            try:
                if reader is None:
                    raise Unread(f"`{name}` is no op of ours")
                read = self.batched(name, values, reader, args, kwargs)
                self.require_shapes(result, read)
            except (Unread, TypeError, ArgumentError, ShapeError) as error:
                del self.frame.parts[before:]
                problem, read = f"{name}: {error}" if reader else str(error), None
        if read is None:
            read = self.unread(func, name, values, problem, bool(broken), args, kwargs)
        return self.bound(result, read, over)

    def batched(
        self, name: str, values: Sequence[Value], reader: Reader, args: Any, kwargs: Any
    ) -> Any:
        """What a reader gives, which is laid out as what it was given."""
        name = self.called if not name.endswith("__") else name
        if any(value.spread for value in values) and name not in SPREADING:
            raise Unread("values that are repeated")
        marks = {(value.at, value.folded) for value in values if value.at is not None}
        if marks - {(0, 0)} and name not in ANYWHERE:
            (at, folded), *others = marks
            if at or others or name not in ALONG:
                raise Unread("it has the batch in another place")
        before = len(self.frame.parts)
        try:
            read = reader(self, *self.known(args), **self.known(kwargs))
        except (Unread, ArgumentError, ShapeError):
            if name not in JOINING:
                raise
            del self.frame.parts[before:]
            given = tree_map(
                lambda a: self.flowing(a, values[0]), (self.known(args), self.known(kwargs)),
                is_leaf=lambda a: isinstance(a, Learned),
            )  # fmt: skip
            read = reader(self, *given[0], **given[1])
        if name in ANYWHERE or len(marks) != 1:
            return read
        at, folded = marks.pop()
        return tree_map(lambda v: v.seen(at, folded) if isinstance(v, Value) else v, read)

    def unread(
        self, func: Any, name: str, values: Sequence[Value], problem: str, spread: bool, args: Any,
        kwargs: Any,
    ) -> Any:  # fmt: skip
        """A function without an op: a node of its own if it needs no weights, else its problem."""
        made = [t for t in tree_flatten(self.result)[0] if isinstance(t, Tensor)]
        used = [self.flows.get(id(t)) for t in tree_flatten((args, kwargs))[0]]
        whole = isinstance(self.result, Tensor) and made[0].shape[:1] == (BATCH,)
        weighted = any(isinstance(flow, Learned) for flow in used)
        if whole and made[0].ndim > 1 and not spread and not weighted:
            spec = TensorSpec(tuple(made[0].shape[1:]))
            given, counted = list(dict.fromkeys(values)), self.counted(func, args, kwargs)
            op = self.opaque(name, spec, (), counted, f"{problem} ({place()})", len(given))
            return self.step(op, given, spec, (), "", name.strip("_"))
        where = problem if spread else f"{problem} ({place()})"
        return tree_map(
            lambda t: (
                Value(TensorSpec(tuple(t.shape[1:]) or (1,)), problem=where)
                if isinstance(t, Tensor)
                else t
            ),
            self.result,
        )

    def counted(self, called: Any, args: Any, kwargs: Any) -> int:
        """The multiply-accumulates of a call for one image, as PyTorch counts them."""
        quiet, self.quiet = self.quiet, True
        try:
            with FlopCounterMode(display=False) as counter:
                called(*args, **kwargs)
        finally:
            self.quiet = quiet
        return int(counter.get_total_flops()) // (2 * BATCH)

    def require_shapes(self, result: Any, read: Any) -> None:
        """Raises Unread unless what was read has the shapes that PyTorch gave."""
        pairs = zip(_listed(result), _listed(read), strict=True)
        for tensor, value in pairs:
            if tuple(tensor.shape) != value.shape:
                raise Unread(f"it gives {times(tensor.shape)}, as an op it would give {value.spec}")

    def bound(self, result: Any, read: Any, over: bool = False) -> Any:
        """The result, with what is known of its tensors; new tensors unless written in place."""
        if isinstance(result, Tensor):
            if not over and id(result) in self.born:
                self.quiet, quiet = True, self.quiet
                try:
                    result = result.view_as(result)
                finally:
                    self.quiet = quiet
            return self.came(result, read)
        if isinstance(result, tuple | list):
            parts = [
                self.bound(r, v, over) if isinstance(r, Tensor) else r
                for r, v in zip(result, read, strict=True)
            ]
            made = type(result)
            named = hasattr(made, "n_fields")  # as `max` gives values and places
            return made(parts) if named or made in (tuple, list) else tuple(parts)
        return result

    def known(self, given: Any) -> Any:
        """Arguments with what is known instead of tensors."""

        def seen(tensor: Any) -> Any:
            if not isinstance(tensor, Tensor):
                return tensor
            found = self.flows.get(id(tensor)) or self.constants.get(id(tensor))
            there = not isinstance(tensor, FakeTensor) and tensor.device.type != "meta"
            return found or Fixed(tuple(tensor.shape), tensor if there else None)

        return tree_map(seen, given)

    # steps

    def emit(
        self, op: type[Op], *inputs: Value, path: str = "", name: str = "", **values: Any
    ) -> Value:
        """An op on these inputs with its weights at the path; raises Unread where they are not."""
        for value in inputs:
            if not isinstance(value, Value):
                raise Unread("it is given a constant where an op takes what flows")
        specs = [value.spec for value in inputs]
        made = construct(op, values, specs[0])
        weights = made.weights(*specs)
        for weight in weights:
            key = f"{path}.{weight.name}" if weight.name else path
            if self.state.get(key) != weight.shape:
                found = self.state.get(key, "none")
                raise Unread(f"{key} has the shape {found}, as an op {weight.shape}")
        return self.step(made, inputs, made.infer(*specs), weights, path, name or made.verb)

    def map_of(self, size: tuple[int, ...]) -> Value:
        """The last map of a size, whose positions something is told about."""
        for step in reversed(list(self.root.steps())):
            spec = step.output.spec
            if spec.layout == "channels_first" and spec.spatial == size:
                return step.output
        raise Unread("positions of no map")

    def step(
        self, op: Op, inputs: Sequence[Value], spec: TensorSpec, weights: tuple[Weight, ...],
        path: str, name: str,
    ) -> Value:  # fmt: skip
        output = Value(spec)
        given = tuple(value.of or value for value in inputs)
        self.frame.parts.append(Step(op, given, output, weights, path, name))
        return output


def _wide(shape: Sequence[int]) -> list[int]:
    """The axes that are larger than 1; that of the batch is one that a weight was spread over."""
    return [size for size in shape if size not in (1, BATCH)]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value]


def _said(error: BaseException) -> str:
    """The first line of what an error says."""
    return next(iter(str(error).splitlines()), "")


def _line_of(error: BaseException) -> str:
    """The last line of the user's code on the way to an error."""
    found, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(NOT_THEIRS):
            found = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def fake_mode() -> FakeTensorMode:
    """Tensors without values, beside weights that have some."""
    return FakeTensorMode(allow_non_fake_inputs=True)
