"""Blocks of a random spec and their calls."""

from typing import Any

from tests.random_specs.items import Items
from tests.random_specs.naive import Frame, Level, Misfit, Names, Value
from tests.random_specs.place import Place


class Blocks(Items):
    """Draws calls of blocks, and the blocks."""

    def kinds(self, place: Place) -> list[Any]:
        more = [self.call, self.calls, self.meeting, self.variants, self.variants, self.giving]
        return super().kinds(place) + (more if place.depth < 3 else [])

    def call(self, place: Place, key: str | None) -> Any:
        """A call of a block, a new one or one that was called before."""
        old = [n for n, b in self.blocks.items() if not b.keys() & {"inputs", "outputs"}]
        if old and self.chance(70):
            name = self.one(*old)
        elif place.naive.in_block:
            raise Misfit("a block defined in a block")
        else:
            name = self.block(place)
        params = place.naive.blocks[name].get("params", {})
        item: Names = {name: self.arguments(params, place)}
        return {**item, "repeat": self.number(2, place)} if self.chance(20) else item

    def calls(self, place: Place, key: str | None) -> Any:
        """Several calls of one block with other arguments, in one container."""
        inner = place.inside(level=key is not None)
        items = [item for item in [self.item(inner, None, self.call)] if item is not None]
        for _ in range(self.one(1, 2, 3) if items and isinstance(items[0], dict) else 0):
            verb = next(iter(items[0]))
            params = inner.naive.blocks.get(verb, {}).get("params", {})
            item = {verb: self.arguments(params, inner)}
            try:
                inner.take(None, item)
                items.append(item)
            except Misfit:
                continue
        return {"inline" if key is None else "seq": items}

    def variants(self, place: Place, key: str | None) -> Any:
        """Calls of a block whose items come and go with its parameters, but keep the shape."""
        if place.naive.in_block or not isinstance(place.x, Value):
            raise Misfit("a block defined in a block")
        params: Names = {"wide": False, "deep": self.one(True, "C > 3"), "n": 1, "k": 4}
        name = self.name(place.bare(), ("variant", "V", "cell"))
        body = self.steady(place.bare())
        self.blocks[name] = place.naive.blocks[name] = {"params": params, "body": body}
        calls = []
        for _ in range(self.one(2, 3, 4)):
            given = {"wide": self.one(True, False), "deep": self.one(True, False),
                     "n": self.one(0, 1, 2, 3), "k": self.one(1, 4, 8)}  # fmt: skip
            calls.append({name: {p: v for p, v in given.items() if self.chance(60)}})
        return {"inline" if key is None else "seq": calls}

    def steady(self, place: Place, depth: int = 0) -> Any:
        """Items that keep the shape, many of them under a condition on the block's parameters."""
        items = [self.steady_item(place, depth) for _ in range(self.one(1, 2, 3))]
        return {self.name(place): item for item in items} if self.chance(40) else items

    def steady_item(self, place: Place, depth: int) -> Any:
        layer: Any = {"conv": {"kernel": 3, "stride": 1, "padding": "auto"}}
        if place.shape.layout == "channels_last" or not place.shape.rank:
            layer = {"linear": {}}
        ((verb, given),) = layer.items()
        wider = [{verb: {**given, "out": "k * C"}}, {verb: {**given, "out": "C // k"}}]
        plain: list[Any] = [{"relu": {}}, {"dropout": {}}, {"layer_scale": {}}, {"layer_norm": {}}]
        plain += [layer, layer, {"seq": wider}]
        if depth < 2:
            inner = self.steady(place, depth + 1)
            cut = {"slice": {"stop": "C // (n + 1)"}}
            dense = {"layer": ["relu", {"slice": {"stop": "C // (i + 1)"}}], "repeat": "n"}
            plain += [
                {"seq": inner},
                {"residual": {"body": inner}},
                {"seq": [{"dense": dense}, cut]},
            ]
            plain += [{"residual": {"body": inner, "when": "deep"}}]
            plain += [{"branches": {"join": "add", "paths": {"p": {"seq": inner}, "_q": []}}}]
        condition = self.one("wide", "deep", "not wide", "n > 1", "k == 4", "wide and deep")
        item = {**self.one(*plain), **self.one({}, {}, {"if": condition})}
        return {**item, **self.one({}, {}, {}, {"repeat": "n"})}

    def meeting(self, place: Place, key: str | None) -> Any:
        """A call of a block with two inputs."""
        names = {
            n: v for n, v in self.earlier(place).items() if v.shape.spatial == place.shape.spatial
        }
        here = [n for n, v in names.items() if v == place.x]
        if not here or len(names) < 2:
            raise Misfit("nothing to meet")
        given = self.one([here[0], self.one(*names)], [self.one(*names), here[0]])
        old = [n for n, b in self.blocks.items() if len(b.get("inputs", ())) == 2]
        if old and self.chance(60):
            name = self.one(*old)
        elif place.naive.in_block:
            raise Misfit("a block defined in a block")
        else:
            inner = place.inside()
            inner.names, inner.naive.in_block = {}, True
            tensors = tuple(names[n] for n in given)
            inner.frame = Frame(
                Level("trial"), tensors, None, dict(zip("ab", tensors, strict=True))
            )
            inner.x = tensors
            first = self.one("concat", "add", {"concat": {}, "from": ["b", "a"]}, {"multiply": {}})
            inner.take(None, first)
            name = self.name(place.bare(), ("meet", "fuse"))
            body = [first, *self.sequence(inner, 3, mapping=False)]
            self.blocks[name] = place.naive.blocks[name] = {"inputs": ["a", "b"], "body": body}
        return {name: {}, "from": given}

    def giving(self, place: Place, key: str | None) -> Any:
        """A call of a block that gives several maps, and of one that takes any number."""
        if place.naive.in_block or not isinstance(place.x, Value):
            raise Misfit("a block defined in a block")
        first, second = (self.name(place.bare(), ("low", "high", "a")) for _ in range(2))
        body = {first: self.modified(self.op(place.bare()))}
        body[second] = {**self.modified(self.op(place.bare())), "from": self.one("input", first)}
        name, other = (self.name(place.bare(), ("pair", "gives", "fuse")) for _ in range(2))
        outputs = {"x": first, "y": second}
        self.blocks[name] = place.naive.blocks[name] = {"outputs": outputs, "body": body}
        join = {self.one("concat", "add", "multiply"): {}, "from": self.one("x", ["*x"])}
        self.blocks[other] = place.naive.blocks[other] = {
            "inputs": ["*x"], "body": [join, *self.one([], ["relu"], ["tanh", "relu"])],
        }  # fmt: skip
        given, end = self.name(place), {other: {}}
        said = self.one({}, {"from": f"{given}[:]"}, {"from": [f"{given}[1]", f"{given}[0]"]})
        return {"inline": {given: {name: {}}, self.name(place): {**end, **said}}}

    def arguments(self, params: Names, place: Place) -> Names:
        given = {p for p, default in params.items() if default == "int" or self.chance(40)}
        return {p: self.argument(p, place) for p in params if p in given}

    def argument(self, parameter: str, place: Place) -> Any:
        if parameter == "act":
            if "first" in place.names and self.chance(50):
                return "'relu' if first else 'silu'"
            return self.one("relu", {"leaky_relu": {"slope": 0.2}}, "silu", "tanh")
        choices = {"out": self.channels(place), "stride": self.one(1, 2), "kernel": self.one(1, 3)}
        if parameter in ("skip", "wide", "deep"):
            return self.one(True, False)
        return self.number(choices.get(parameter, self.one(1, 2)), place)

    def block(self, place: Place) -> str:
        """A new block, written for a call at `place`; its body sees its parameters only."""
        known: Names = {"out": "int", "kernel": 3, "stride": 1, "expand": "2 * C"}
        known |= {"skip": self.one(True, False, "C == 4", "C > 3")}
        known |= {"act": self.one("relu", "gelu", {"elu": {"alpha": 0.5}})}
        params = {p: known[p] for p in known if self.chance(60)}
        sample = {p: self.argument(p, place) if d == "int" else d for p, d in params.items()}
        naive = place.naive
        values: Names = {}
        for parameter, raw in sample.items():
            values[parameter] = naive.parameter(
                raw, params[parameter], {**place.names, **values}, place.x
            )
        inner = place.inside()
        inner.names, inner.naive.in_block = values, True
        inner.frame = Frame(Level("trial"), inner.x)
        verb = self.one("body", "seq", "residual", "branches")
        if verb in ("residual", "branches"):
            inner.depth = place.depth
            body = getattr(self, verb)(inner, None)[verb]
        else:
            body = self.sequence(inner)
        if "act" in params and isinstance(body, list):
            body.append("$act")
        name = self.name(place.bare(), ("unit", "block_a", "Cell", "x2", "conv_bn"))
        self.blocks[name] = {"params": params, verb: body} if params else {verb: body}
        naive.blocks[name] = self.blocks[name]
        return name
