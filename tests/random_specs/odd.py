"""Random specs that look like no network: empty, without layers, without end. Not all are right.

Where `spec` draws what a network might be, this draws what the language allows: bodies that hold
nothing, blocks of activations alone, results that are the input, joins of an input with itself.
"""

from random import Random
from typing import Any

Names = dict[str, Any]
PLAIN = (
    "relu", "tanh", "batch_norm", "identity", "sigmoid", "gelu", "layer_norm", "softmax", "dropout",
    "global_avg_pool", "flatten", "tokens", "channels_last", "channels_first", "class_token",
    "position_embedding", "lrn", "layer_scale",
)  # fmt: skip
LAYERS: tuple[Names, ...] = (
    {"conv": {"kernel": 1}}, {"conv": {"kernel": 3, "out": "C + 1"}}, {"conv": {"kernel": 3}},
    {"conv": {"kernel": 3, "stride": 2, "out": 8}}, {"conv": {"kernel": 3, "groups": "C"}},
    {"conv": {"kernel": 2, "padding": "valid"}}, {"linear": {"out": 5}}, {"linear": {"out": "C"}},
    {"max_pool": {"kernel": 2}}, {"avg_pool": {"kernel": 2, "stride": 1}},
    {"adaptive_avg_pool": {"size": 1}}, {"resize": {"scale": 2}}, {"pad": {"border": 1}},
    {"conv_transpose": {"kernel": 2, "stride": 2, "out": "C"}}, {"slice": {"stop": "C // 2"}},
    {"channel_shuffle": {"groups": 2}}, {"pixel_shuffle": {"factor": 2}},
    {"space_to_depth": {"factor": 2}}, {"pad_channels": {"out": "C + 2"}},
    {"attention": {"heads": 1}}, {"conv": {"kernel": 1, "out": 1}}, {"scale": {"factor": 2}},
)  # fmt: skip
INPUTS = ([4, 8, 8], [3, 16, 16], [4], [4, 8], [2, 4, 4, 4], [1, 1, 1], [4, 16, 4], [3, 1, 7])


class Odd:
    """Draws one spec; `names` are those of earlier items that it may refer to."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.names: list[str] = ["input"]
        self.count = 0

    def spec(self) -> Names:
        made: Names = {"archdsl": 1, "name": "odd", "input": self.random.choice(INPUTS)}
        if self.random.random() < 0.4:
            made["blocks"] = {name: {"body": self.body(2)} for name in ("swish", "unit")}
        self.blocks, self.names = list(made.get("blocks", {})), ["input"]
        made["backbone"] = self.body(0, named=True)
        for section in ("neck", "head"):
            if self.random.random() < 0.3:
                made[section] = self.body(1, named=True)
        if self.random.random() < 0.4:
            chosen = self.random.choices(self.names, k=self.random.choice((1, 1, 2, 3)))
            made["outputs"] = {f"o{n}": name for n, name in enumerate(chosen)}
        if self.random.random() < 0.15:
            made["aux"] = {"side": {"seq": ["global_avg_pool", "flatten"], "from": "input"}}
        return made

    def body(self, depth: int, named: bool = False, mapping: bool = False) -> Any:
        count = self.random.choice((0, 1, 1, 2, 3, 4) if depth else (1, 1, 2, 3, 4, 6))
        if not named and not mapping and self.random.random() < 0.7:
            return [self.item(depth, False) for _ in range(count)]
        items: Names = {}
        for _ in range(count):
            self.count += 1
            item, name = self.item(depth, True), f"n{self.count}"
            hidden = isinstance(item, dict) and not item.keys().isdisjoint(PLAIN[:2])
            name = f"_{name}" if hidden and self.random.random() < 0.5 else name
            items[name] = item
            if named:
                self.names.append(name)
        return items

    def item(self, depth: int, named: bool) -> Any:
        kinds = [self.plain, self.plain, self.layer, self.layer, self.join]
        if depth < 3:
            kinds += [self.sequence, self.residual, self.branches, self.dense, self.call]
        item = self.random.choice(kinds)(depth + 1)
        if isinstance(item, str) and named:
            item = {item: {}}
        if isinstance(item, dict) and self.random.random() < 0.1:
            item = {**item, "repeat": self.random.choice((0, 1, 2, 9))}
        if isinstance(item, dict) and named and self.random.random() < 0.1:
            item = {**item, "tap": f"t{self.count}"}
        return item

    def plain(self, depth: int) -> Any:
        return self.random.choice(PLAIN)

    def layer(self, depth: int) -> Any:
        return self.random.choice(LAYERS)

    def join(self, depth: int) -> Any:
        verb = self.random.choice(("add", "concat", "multiply"))
        if self.random.random() < 0.2:
            again = self.random.choices(self.names, k=2)
            return {**self.random.choice(LAYERS), "each": again}
        return {
            verb: {},
            "from": self.random.choices(self.names[-3:], k=self.random.choice((2, 3))),
        }

    def sequence(self, depth: int) -> Any:
        return {self.random.choice(("seq", "inline")): self.body(depth)}

    def residual(self, depth: int) -> Any:
        made: Names = {"body": self.body(depth)}
        if self.random.random() < 0.3:
            made["shortcut"] = self.body(depth, mapping=True)
        if self.random.random() < 0.3:
            made["after"] = self.random.choice(PLAIN)
        return {"residual": made}

    def branches(self, depth: int) -> Any:
        paths: Names = {}
        for n in range(self.random.choice((1, 2, 3))):
            body = self.body(depth) or "identity"
            paths[f"p{n}"] = {"seq": body} if isinstance(body, dict) else body
        return {"branches": {"paths": paths, "join": self.random.choice(("concat", "add"))}}

    def dense(self, depth: int) -> Any:
        return {"dense": {"layer": self.body(depth), "repeat": self.random.choice((0, 1, 2, 7))}}

    def call(self, depth: int) -> Any:
        return self.random.choice(getattr(self, "blocks", None) or ["relu"])


def odd(seed: int) -> Names:
    """A spec that may be wrong, as plain data."""
    return Odd(seed).spec()
