"""A random spec as a whole: its head, its sections, its results."""

from typing import Any

from archdsl.ops import OPS
from archdsl.ops.tensor import TensorSpec
from tests.random_specs.blocks import Blocks
from tests.random_specs.naive import Frame, Level, Misfit, Naive, Value, lies_at, numbers
from tests.random_specs.place import Place


class Documents(Blocks):
    """Draws a document and keeps its naive reading."""

    def document(self) -> tuple[dict[str, Any], Naive]:
        rank = self.one(2, 2, 2, 1, 3, 2)
        size = {1: (24, 17), 2: (12, 9, 16), 3: (6, 5)}[rank]
        shape = (self.one(3, 4, 1, 8), *(self.one(*size) for _ in range(rank)))
        name = self.one("net", "Net2", "a_b", "nn", "unit")
        result: dict[str, Any] = {"archdsl": 1, "name": name, "input": list(shape)}
        naive = Naive()
        if self.chance(50):
            result["params"] = {"classes": 5, "base": 4, "depths": [2, 1]}
            naive.params = {"classes": 5, "base": 4, "depths": [2, 1]}
        if self.chance(30):
            result["scaling"] = {"width": {"factor": 1.5, "multiple_of": 2}}
            naive.rules = {"width": lambda v: naive_width(v)}
        norms = ("batch_norm", "layer_norm", "group_norm")  # gradients tame in a stack of them
        naive.defaults = {verb: {"eps": 0.1} for verb in norms} if self.chance(90) else {}
        if self.chance(40):
            conv = self.one({"bias": False}, {"bias": False, "padding": "same"}, {"stride": 1})
            naive.defaults = {**naive.defaults, "conv": conv, "relu": {}}
        result["defaults"] = dict(naive.defaults)
        if self.chance(25):
            naive.replace = [self.rule() for _ in range(self.one(1, 2, 3))]
        given = Value(-1, TensorSpec(shape))
        place = Place(naive, Frame(Level(""), given), {}, given)
        start, labels = {}, dict[str, Any]()
        if self.chance(15):
            result["input"], start = self.two_inputs(place, shape)
        for section in ("backbone", "neck", "aux", "head"):
            place.frame.own.clear()  # the labels of one section
            if section == "aux":
                result |= self.side(place) if self.chance(25) else {}
            elif section == "head" and self.chance(15):
                result |= self.pyramid(place)
            elif section == "backbone" or self.chance(40):
                items = self.sequence(place, 6, mapping=isinstance(start, dict))
                result[section] = {**start, **items} if isinstance(start, dict) else start + items
                start = self.one([], {})
            labels |= place.frame.own if section != "aux" else {}
        place.frame.own = labels
        result |= self.results(place)
        if self.blocks:
            result["blocks"] = self.blocks
        found = [rule for n, rule in enumerate(naive.replace) if n in naive.replaced]
        if found:  # a rule that finds nothing is an error
            result["replace"] = found
        if self.chance(20):
            self.freeze(result, naive)
        return result, naive

    def rule(self) -> dict[str, Any]:
        """Another op for one that gives its shape, everywhere or at some paths."""
        op, by = self.one(
            ("relu", "silu"), ("relu", {"leaky_relu": {"slope": 0.2}}), ("relu", "gelu"),
            ("gelu", "tanh"), ("batch_norm", {"group_norm": {"groups": 1}}), ("silu", "relu"),
            ("layer_norm", "identity"), ("dropout", "identity"), ("sigmoid", "hard_sigmoid"),
        )  # fmt: skip
        rule = {"op": op, "with": by}
        return rule | self.one({}, {}, {"at": self.one("*.0", "?", "*1", "*a*", "*.relu")})

    def freeze(self, result: dict[str, Any], naive: Naive) -> None:
        """Parts and ops that do not learn; batch norms in them keep what they know."""
        learning = {
            path: op.verb
            for (path, *_), (op, given) in zip(naive.nodes, naive.ops, strict=True)
            if any(weight.kind == "parameter" for weight in op.weights(*given))
        }
        plain = [path for path in learning if "_" not in path]
        above = {".".join(p.split(".")[:n]) for p in plain for n in range(1, p.count(".") + 2)}
        words = sorted({*learning.values()} - {"batch_norm"})
        words += sorted(path for path in above if path not in OPS)
        if not words:
            return
        result["freeze"] = [self.one(*words) for _ in range(self.one(1, 2))]
        naive.frozen = {
            path
            for path, verb in learning.items()
            if any(verb == word or lies_at(word, path) for word in result["freeze"])
            and verb != "batch_norm"
        }

    def two_inputs(self, place: Place, shape: tuple[int, ...]) -> tuple[Any, Any]:
        """Two inputs by name, and the items that begin with both."""
        other = (self.one(1, 2, 3), *(self.one(n, n + 1, 3 + n // 2) for n in shape[1:]))
        names = self.name(place, ("rgb", "x", "left")), self.name(place, ("depth", "list", "y"))
        values = [Value(-1 - n, TensorSpec(one)) for n, one in enumerate((shape, other))]
        place.frame.names.update(zip(names, values, strict=True))
        place.frame.given = tuple(values)
        place.naive.paths |= {*names}
        key, place.x = self.name(place), values[0]
        first, second = self.one(names, names[::-1])
        item = {"resize": {"like": second}, "from": first}
        mapping = self.one(True, False)
        place.take(key if mapping else None, item)
        written = {name: [*one] for name, one in zip(names, (shape, other), strict=True)}
        return written, {key: item} if mapping else [item]

    def side(self, place: Place) -> dict[str, Any]:
        """Side results, in training only."""
        made, before = {}, {*place.frame.names, *place.naive.taps}
        for _ in range(self.one(1, 2)):
            key, x = self.name(place), place.x
            item = self.item(place, key, self.one(self.nested, self.call, self.residual))
            if item is not None:
                made[key] = item
            place.naive.used.update(numbers(place.x))
            place.x = x
            self.hidden = {*place.frame.names, *place.naive.taps} - before
        return {"aux": made} if made else {}

    def pyramid(self, place: Place) -> dict[str, Any]:
        """One module on several maps of different sizes, as the last item: a list of results."""
        names = self.earlier(place)
        here = [n for n, v in names.items() if v == place.x]
        like = [n for n, v in names.items() if v.shape.channels == place.shape.channels
                and v.shape.rank == place.shape.rank]  # fmt: skip
        if not here or len(like) < 2:
            return {}
        module = self.one(
            {"conv": {"out": 3, "kernel": 1}}, {"seq": ["batch_norm", "relu"]}, {"relu": {}}
        )
        key, item = self.name(place), {**module, "each": [here[0], self.one(*like)]}
        try:
            place.take(key, item)
        except Misfit:
            return {}
        return {"head": {key: item}}

    def results(self, place: Place) -> dict[str, Any]:
        """Named outputs, or nothing: the last tensor is the result."""
        named = [n for n, v in self.earlier(place).items() if v == place.x and n.isidentifier()]
        if not named or not self.chance(30):
            return {}
        others = [n for n, v in self.earlier(place).items() if n != "input"]
        outputs = {self.one("out", "features", "x"): named[0]}
        if others and self.chance(50):
            outputs["second"] = self.one(*others)
        return {"outputs": outputs}


def naive_width(value: Any) -> int:
    """`make_divisible(1.5 * value, 2)`."""
    scaled = 1.5 * value
    rounded = max(2, int(scaled + 1) // 2 * 2)
    return rounded + 2 if rounded < 0.9 * scaled else rounded
