"""What figures say of ops: which are drawn, in which role, with which words."""

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from archdsl.expressions.numbers import quantity
from archdsl.figures.canvas.scene import Run
from archdsl.graph.graph import Graph, Node
from archdsl.ops import Cost
from archdsl.ops.axes import CHANNEL
from archdsl.ops.tensor import TensorSpec

NONE: Mapping[str, int] = MappingProxyType({})


class Term(NamedTuple):
    """One thing that a label says: an argument of an op, its value, and how it is written.

    A form has one place for all numbers of the value, `3×3`, or one for each, `0:64`.

    `usual` is the value that labels leave out. A place with less room, or more to say, has a form
    of its own: `brief` under a slab, whose color says what it is, and `full` in a column.
    """

    name: str
    value: tuple[float, ...]
    form: str = "{}"
    usual: int = 0
    brief: str = ""
    full: str = ""

    @property
    def text(self) -> str:
        text, places = self.form, self.form.count("{}")
        for value in self.value if places > 1 else (product(self.value),) * bool(self.value):
            text = text.replace("{}", str(value), 1)
        return text

    @property
    def number(self) -> str:
        """Its number alone, where a list has a column for it."""
        return self._replace(form=self.brief or self.form).text

    @property
    def said(self) -> bool:
        return set(self.value) != {self.usual}

    @property
    def frame(self) -> object:
        """What it has in common with that of another op of its kind: all but its number."""
        return self.form, self.value if self.name == "kernel" else ()


Form = Literal["form", "brief", "full"]


def word(text: str) -> Term:
    """A term that is no number."""
    return Term("word", (), text)


def written(terms: Iterable[Term], form: Form = "form", without: str = "") -> str:
    """`3×3, 64, /2`: the terms that are not usual; `without` is the name of those to leave out."""
    said = (term for term in terms if term.said and term.name != without)
    return ", ".join(term._replace(form=getattr(term, form) or term.form).text for term in said)


def verb(node: Node, channels: int) -> str:
    """The op as figures tell it from others: a convolution with a group a channel is depthwise."""
    op: Any = node.op
    convolves = op.verb in ("conv", "std_conv")
    depthwise = convolves and op.groups == channels and op.groups > 1
    return "depthwise" if depthwise else op.verb


def terms(node: Node, channels: int, even: Mapping[str, int] = NONE) -> tuple[Term, ...]:
    """What figures say of a node that is given these channels; `even` are the parts of splits."""
    if node.op.verb == "slice":
        return (_slice(node.op, channels, even.get(node.id, 0)),)
    say = _TERMS.get(verb(node, channels))
    return say(node.op) if say else (word(node.op.label()),)


def label(node: Node, channels: int, even: Mapping[str, int] = NONE) -> str:
    """A few words that fit a box: `3×3, 64, /2`."""
    return written(terms(node, channels, even))


def even_parts(graph: Graph) -> dict[str, int]:
    """Slices that together are all channels of something, in equal parts: in how many."""
    of: dict[str, list[Node]] = {}
    for node in graph.nodes:
        op: Any = node.op
        if op.verb == "slice" and op.axis == CHANNEL and op.step == 1:
            of.setdefault(node.inputs[0], []).append(node)
    found: dict[str, int] = {}
    for source, slices in of.items():
        starts = [n * one.output.channels for n, one in enumerate(slices)]
        whole = graph.spec(source).channels == sum(one.output.channels for one in slices)
        if whole and starts == [getattr(one.op, "start", 0) for one in slices]:
            found |= {one.id: len(slices) for one in slices}
    return found


def shape(spec: TensorSpec) -> tuple[Run, ...]:
    """`256×56²` for a square map, `3×224×160` for another, `1000` for a vector, `197×768`."""
    spatial = spec.spatial
    if spec.layout == "channels_last" and spec.rank == 1:
        return (Run(f"{spatial[0]}×{spec.channels}"),)
    if not spatial or set(spatial) == {1}:
        return (Run(str(spec.channels)),)
    if square(spec):
        return Run(f"{spec.channels}×{spatial[0]}"), Run(str(len(spatial)), sup=True)
    return (Run("×".join(map(str, (spec.channels, *spatial)))),)


def square(spec: TensorSpec) -> bool:
    """Whether a map has several axes, all of one size that is not 1."""
    sizes = set(spec.spatial)
    return len(spec.spatial) > 1 and len(sizes) == 1 and sizes != {1}


def dimensions(spec: TensorSpec) -> str:
    """The spatial size in full: `56×56`; `1×1` for a vector."""
    return product(spec.spatial) if spec.rank else "1×1"


def size(spec: TensorSpec) -> tuple[Run, ...]:
    """The spatial size alone: `56²`."""
    spatial = spec.spatial if spec.rank else (1,)
    if set(spatial) == {1}:
        return (Run("1"),)
    if square(spec):
        return Run(str(spatial[0])), Run(str(len(spatial)), sup=True)
    return (Run("×".join(map(str, spatial))),)


def amounts(cost: Cost, show: Collection[str]) -> list[str]:
    """`25.6 M params`, `4.1 G MACs`: those of them that are to be shown."""
    found = {"params": f"{quantity(cost.parameters)} params", "macs": f"{quantity(cost.macs)} MACs"}
    return [text for key, text in found.items() if key in show]


def plain(runs: tuple[Run, ...]) -> str:
    """The text of runs, raised numbers after a caret."""
    return "".join(f"^{run.text}" if run.sup else run.text for run in runs)


def product(sizes: tuple[float, ...]) -> str:
    """`3×3`; `7` along one axis."""
    return "×".join(f"{n:g}" if isinstance(n, float) else str(n) for n in sizes)


def _even(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """One number for all axes that have the same."""
    return sizes[:1] if len(set(sizes)) == 1 else sizes


def _stride(op: Any) -> Term:
    return Term("stride", _even(op.stride), "/{}", usual=1)


def _dilation(op: Any) -> Term:
    return Term("dilation", _even(op.dilation), "d={}", usual=1)


def _conv(op: Any) -> tuple[Term, ...]:
    kernel = Term("kernel", op.kernel, full="{} conv")
    groups = Term("groups", (op.groups,), "g={}", usual=1)
    return kernel, Term("out", (op.out,)), _stride(op), groups, _dilation(op)


def _depthwise(op: Any) -> tuple[Term, ...]:
    kernel = Term("kernel", op.kernel, "dw {}")
    return kernel, Term("out", (op.out,)), _stride(op), _dilation(op)


def _up_conv(op: Any) -> tuple[Term, ...]:
    kernel = Term("kernel", op.kernel, "up-conv {}")
    return kernel, Term("out", (op.out,)), Term("factor", _even(op.stride), "×{}", usual=1)


def _pool(op: Any) -> tuple[Term, ...]:
    what = op.verb[:3]
    kernel = Term("kernel", op.kernel, f"{{}} {what} pool", brief=f"{{}} {what}")
    apart = (_dilation(op),) if getattr(op, "dilation", None) else ()
    return kernel, _stride(op), *apart


def _adaptive_pool(op: Any) -> tuple[Term, ...]:
    what = op.verb.split("_")[1]
    return (Term("size", op.size, f"{what} pool to {{}}", brief=f"{what} to {{}}"),)


def _resize(op: Any) -> tuple[Term, ...]:
    if op.scale is not None:
        factors = op.scale if isinstance(op.scale, tuple) else (float(op.scale),)
        return (Term("scale", factors, "resize ×{}"),)
    return (word("resize") if op.like else Term("size", op.size, "resize to {}"),)


def _slice(op: Any, channels: int, parts: int) -> Term:
    """`part 2 of 4` of equal parts; `first 64` channels, or `last 16`; else as in Python."""
    if op.axis != CHANNEL or op.step > 1:
        step = f":{op.step}" if op.step > 1 else ""
        axis = f" of axis {op.axis}" if op.axis != CHANNEL else ""
        return word(f"slice {op.start}:{'' if op.stop is None else op.stop}{step}{axis}")
    stop = channels if op.stop is None else op.stop
    if parts > 1:
        return word(f"part {op.start // (stop - op.start) + 1} of {parts}")
    if op.start and stop < channels:
        return Term("slice", (op.start, stop), "slice {}:{}", brief="{}:{}")
    return Term("slice", (stop - op.start,), "last {}" if op.start else "first {}", brief="{}")


def _attention(op: Any) -> tuple[Term, ...]:
    return word("attention"), Term("heads", (op.heads,), "{} heads")


def _window_attention(op: Any) -> tuple[Term, ...]:
    words = op.verb.replace("_", " ")
    return word(f"shifted {words}" if any(op.shift) else words), Term(
        "heads", (op.heads,), "{} heads"
    )


def _relative_attention(op: Any) -> tuple[Term, ...]:
    return word("relative attention"), Term("heads", (op.heads,), "{} heads")


def _pooled_attention(op: Any) -> tuple[Term, ...]:
    return word("pooled attention"), Term("heads", (op.heads,), "{} heads")


_TERMS: dict[str, Callable[[Any], tuple[Term, ...]]] = {
    "conv": _conv,
    "std_conv": _conv,
    "depthwise": _depthwise,
    "conv_transpose": _up_conv,
    "linear": lambda op: (word("linear"), Term("out", (op.out,))),
    "max_pool": _pool,
    "avg_pool": _pool,
    "adaptive_avg_pool": _adaptive_pool,
    "adaptive_max_pool": _adaptive_pool,
    "global_avg_pool": lambda op: (Term("word", (), "global avg pool", brief="global avg"),),
    "global_max_pool": lambda op: (Term("word", (), "global max pool", brief="global max"),),
    "blur_pool": lambda op: (word("blur pool"), Term("stride", (op.stride,), "/{}", usual=1)),
    "resize": _resize,
    "concat": lambda op: (word("concat"),),
    "attention": _attention,
    "window_attention": _window_attention,
    "cosine_window_attention": _window_attention,
    "relative_attention": _relative_attention,
    "pooled_attention": _pooled_attention,
}
