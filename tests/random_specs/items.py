"""Items of a random spec: sequences, combinators, loops, references."""

from typing import Any

from archdsl.ops.tensor import TensorSpec
from tests.random_specs.naive import Misfit, Names, Value, shapes
from tests.random_specs.ops import Ops
from tests.random_specs.place import Place


class Items(Ops):
    """Draws items; what a method makes for a place need not fit there, `item` tries it."""

    def sequence(self, place: Place, longest: int = 4, mapping: bool | None = None) -> Any:
        """A list or mapping of items, read at `place` one by one."""
        mapping = self.one(False, True) if mapping is None else mapping
        items: Any = {} if mapping else []
        for _ in range(self.random.randint(1, min(longest, self.size))):
            key = self.name(place) if mapping else None
            if key is not None and self.chance(8):
                key = f"{self.one('convs', 'bns')}.{key.lstrip('_')}"
            item = self.item(place, key)
            if item is None:
                continue
            if key is None:
                items.append(item)
            else:
                items[key] = item
        return items

    def item(self, place: Place, key: str | None, kind: Any = None) -> Any:
        """An item that has been read at `place`, or None."""
        for make in (kind or self.one(*self.kinds(place)), self.single):
            try:
                made = self.tapped(make(place, key), place)
                place.take(key, made)
                return made
            except Misfit:
                continue
        return None

    def kinds(self, place: Place) -> list[Any]:
        """The methods that can make an item at a place, the likely ones several times."""
        kinds: list[Any] = [self.single] * 4
        if place.depth < 3:
            kinds += [self.nested, self.inline, self.residual, self.branches, self.dense]
            kinds += [self.repeat, self.loop, self.fan, self.apart, self.parted]
            kinds += [self.conditional] * (8 if place.naive.in_block else 2)
        kinds += [self.join, self.like, self.again, self.by_itself, self.use]
        return [*kinds, self.product, self.unpool]

    def single(self, place: Place, key: str | None) -> Any:
        return self.op(place)

    def tapped(self, item: Any, place: Place) -> Any:
        """The item, sometimes with a label or a tap, whose name in a loop differs in every copy."""
        if self.chance(8):
            item = {**self.modified(item), "checkpoint": True}
        if "as" not in self.modified(item) and self.chance(12):
            item = {**self.modified(item), "as": self.name(place.bare(), ("s", "low", "x"))}
        if place.naive.in_block or "i" in place.names or "tap" in item or not self.chance(12):
            return item
        suffix = "_{row}" if "row" in place.names or "for" in item else ""
        return {**self.modified(item), "tap": self.name(place.bare(), ("c2", "p", "x")) + suffix}

    def nested(self, place: Place, key: str | None) -> Any:
        inner = self.sequence(place.inside())
        return inner if isinstance(inner, list) and self.chance(50) else {"seq": inner}

    def inline(self, place: Place, key: str | None) -> Any:
        return {"inline": self.sequence(place.inside(level=False))}

    def conditional(self, place: Place, key: str | None) -> Any:
        make = self.one(self.single, self.single, self.nested, self.residual)
        return {**self.modified(make(place, key)), "if": self.flag(place)}

    def modified(self, item: Any) -> dict[str, Any]:
        """An item in the form that takes modifiers."""
        if isinstance(item, dict):
            return item
        return {"seq": item} if isinstance(item, list) else {item: {}}

    def residual(self, place: Place, key: str | None) -> Any:
        body = place.inside()
        result: Names = {"body": self.sequence(body)}
        if shapes(body.x) != shapes(place.x) or self.chance(15):
            result |= self.projected(body, place)
        if isinstance(result["body"], list) and isinstance(result.get("shortcut"), list):
            result["shortcut"] = {self.name(body): {"seq": result["shortcut"]}}
        if self.chance(40):
            result["after"] = self.one(
                "relu", ["relu"], {self.name(body): "silu"}, ["batch_norm", "gelu"]
            )
        if self.chance(25):
            result["when"] = self.flag(place)
        if "shortcut" in result and self.chance(30):
            result = {"shortcut": result.pop("shortcut"), **result}
        return {"residual": result}

    def projected(self, body: Place, place: Place) -> Names:
        """A shortcut that gives what the body gives, or a `when` that leaves it out."""
        a, b = shapes(place.x), shapes(body.x)
        if not isinstance(a, TensorSpec) or not isinstance(b, TensorSpec) or a.rank != b.rank:
            return {"when": False}
        conv: Names = {"conv": {"out": self.number(b.channels, place), "kernel": 1}}
        if not a.rank:
            conv = {"linear": {"out": b.channels}}
        resized: list[Any] = (
            [{"resize": {"size": list(b.spatial)}}] if a.spatial != b.spatial else []
        )
        path: list[Any] = self.one([*resized, conv], [*resized, [conv, "batch_norm"]])
        if self.chance(40):
            condition = f"C != {b.channels}" if a.spatial == b.spatial else True
            return {"shortcut": {self.name(body): {"seq": path, "if": condition}}}
        return {"shortcut": path}

    def branches(self, place: Place, key: str | None) -> Any:
        join = self.one("concat", "add", "multiply")
        result: Names = {"join": join} if join != "concat" or self.chance(30) else {}
        count = self.one(2, 3)
        inner = place.inside()
        starts = [inner.x] * count
        if place.shape.channels >= count and isinstance(place.x, Value) and self.chance(25):
            share = place.shape.channels // count
            shares = [share] * (count - 1) + [place.shape.channels - share * (count - 1)]
            result["split"] = self.one(shares, [*shares[:-1], f"C - {sum(shares[:-1])}"])
            starts = [Value(-1, place.shape.with_channels(n)) for n in shares]
        paths: Names = {}
        for start in starts:
            inner.x = start
            name = self.one("_", "") + self.name(inner)
            within = inner.inside(level=not name.startswith("_"))
            within.x = start
            paths[name] = self.one("identity", [], None) or self.sequence(within, 3)
            if isinstance(paths[name], dict):
                paths[name] = {self.one("seq", "inline"): paths[name]}
        return {"branches": {"paths": paths, **result}}

    def dense(self, place: Place, key: str | None) -> Any:
        suffix = "_{i}"
        inner = place.inside(suffix=suffix, i=0, first=True, last=False)
        layer = self.sequence(inner, 2)
        if self.chance(60):
            layer = {self.name(inner): {"seq": layer}} if isinstance(layer, list) else layer
        result = {"layer": layer, "repeat": self.number(self.one(2, 1, 3, 0), place)}
        if self.chance(50):
            result["sees"] = self.one("last", "all")
        if self.chance(40):
            result["gives"] = self.one("last", "layers", "all", "list")
        if result.get("gives") != "list":
            return {"dense": result}
        joined: Names = {self.one("concat", "add"): {}}
        return {"inline": {self.name(place): {"dense": result}, self.name(place): joined}}

    def repeat(self, place: Place, key: str | None) -> Any:
        turns = {"i": 0, "first": True, "last": False}
        count = self.one(2, 3, 1, 4)
        inline = self.chance(30)
        suffix = f"{place.suffix}_{{i}}" if inline else ""
        inner = place.inside(level=not inline, suffix=suffix, **turns)
        if not inline and self.chance(40):
            item = self.modified(self.op(inner))
        else:
            item = {"inline" if inline else "seq": self.sequence(inner, 3)}
        return {**item, "repeat": self.number(count, place)}

    def loop(self, place: Place, key: str | None) -> Any:
        """An item with `for`; in a mapping its key, or the names in it, tell the copies apart."""
        columns = {self.one("width", "n", "k", "stride"): [self.one(4, 8, 2, 1) for _ in range(3)]
                   for _ in range(2)}  # fmt: skip
        columns = {name: column[: self.one(2, 3, 1)] for name, column in columns.items()}
        if self.chance(15):
            columns = {self.one("k", "width"): [0, 1, 2][: self.one(2, 3)]}
        shortest = min(map(len, columns.values()))
        columns = {name: column[:shortest] for name, column in columns.items()}
        row = {name: column[0] for name, column in columns.items()}
        row |= {"row": 0, "first_row": True, "last_row": shortest == 1}
        suffix = place.suffix + "_{row}"
        inner = place.inside(level=False, suffix=suffix, **row)
        item = {"inline": self.sequence(inner, 3)}
        if key is None and self.chance(50):
            item = {"seq": self.sequence(place.inside(**row), 3)}
            item |= {"repeat": self.number(2, inner)} if self.chance(30) else {}
        if self.chance(40):
            names = list(columns)
            table = [list(cells) for cells in zip(*columns.values(), strict=True)]
            return {"for": {"columns": names, "rows": table}, **item}
        written: Names = {
            name: self.one(f"range({len(column)})", f"range(0, {len(column)})")
            if column == list(range(len(column)))
            else column
            for name, column in columns.items()
        }
        return {"for": written, **item}

    def fan(self, place: Place, key: str | None) -> Any:
        """Copies of an item, others that begin at these, and what joins what the others give."""
        inner = place.inside(level=False, suffix=place.suffix + "_{i}", i=0, first=True, last=False)
        start, count = self.name(inner), self.one(2, 3)
        layer, after = (self.modified(self.op(place)) for _ in range(2))
        first = {**layer, "repeat": count}
        first |= {"from": "input"} if self.chance(20) else {}
        name = self.name(place) if self.chance(60) else self.name(inner)
        ends = [f"{name}.{n}" if "{i}" not in name else name.replace("{i}", str(n))
                for n in range(count)]  # fmt: skip
        second = {**after, "repeat": self.number(count, place), "from": start}
        joined: Names = {self.one("concat", "add", "multiply"): {}, "from": ends}
        if "{i}" not in name and self.chance(50):
            label = self.name(place.bare(), ("s", "maps"))
            second["as"] = f"{label}[i]"
            joined["from"] = self.one(label, [f"{label}[0]", f"*{label}[1:]"], [f"*{label}"])
        return {"inline": {start: first, name: second, self.name(place): joined}}

    def apart(self, place: Place, key: str | None) -> Any:
        """Paths whose results stay apart as a list, and what joins them."""
        made = self.branches(place, None)["branches"]
        verb, name = made.get("join", "concat"), self.name(place)
        label = self.name(place.bare(), ("s", "maps"))
        item = {"branches": {**made, "join": "none"}, "as": label}
        said = self.one(name, label)
        some = self.one(
            None, said, [f"{said}[0]", f"*{said}[1:]"], [f"*{said}[-1:]", f"*{said}[:-1]"]
        )
        joined: Names = {verb: {}, "from": some} if some is not None else {verb: {}}
        return {"inline": {name: item, self.name(place): joined}}

    def parted(self, place: Place, key: str | None) -> Any:
        """The channels in parts, and what joins some of these."""
        channels = place.shape.channels
        even = [n for n in (2, 3, 4) if channels % n == 0]
        first = self.one(1, channels // 2, channels - 1)
        parts = self.one([first, channels - first], f"[{first}, C - {first}]")
        if even and self.chance(60):
            parts = self.number(self.one(*even), place)
        name = self.one("_", "") + self.name(place)
        some = self.one(
            None, name, [f"{name}[0]", f"*{name}[1:]"], [f"{name}[-1]", f"*{name}[:-1]"]
        )
        joined: Names = {"concat": {}, "from": some} if some is not None else {"concat": {}}
        return {"inline": {name: {"split": {"parts": parts}}, self.name(place): joined}}

    # references

    def earlier(self, place: Place) -> dict[str, Value]:
        """The earlier tensors that an item may name."""
        found = dict(place.frame.visible())
        if not place.naive.in_block:
            found = {**place.naive.taps, **found}
        found = {**place.frame.labels, **found}
        given = place.frame.given
        found["input"] = given
        found |= self.inner(place, found)
        return {
            n: v
            for n, v in found.items()
            if isinstance(v, Value) and n.partition(".")[0] not in self.hidden
        }

    def inner(self, place: Place, names: Names) -> dict[str, Value]:
        """What lies in earlier items, by its path."""
        found: dict[str, Value] = {}
        for name in names:
            try:
                path = place.frame.owner(name).level.child(name)
            except Misfit:
                continue
            for other, value in place.naive.results.items():
                if other.startswith(f"{path}.") and self.chance(30):
                    found[name + other[len(path) :]] = value
        return found

    def join(self, place: Place, key: str | None) -> Any:
        """Concatenation, sum or product of what the sequence is at and an earlier result."""
        names = {n: v for n, v in self.earlier(place).items() if v != place.x}
        here = [n for n, v in self.earlier(place).items() if v == place.x]
        fitting = [n for n, v in names.items() if v.shape.spatial == place.shape.spatial]
        equal = [n for n in fitting if names[n].shape == place.shape]
        if not here or not fitting:
            raise Misfit("nothing to join")
        verb = self.one("concat", "add", "multiply", "weighted_add") if equal else "concat"
        other = self.one(*(fitting if verb == "concat" else equal))
        return {verb: {}, "from": self.one([here[0], other], [other, here[0]])}

    def product(self, place: Place, key: str | None) -> Any:
        """The matrix product of an earlier result and its tanh with the last axes turned."""
        here = [n for n, v in self.earlier(place).items() if v == place.x]
        rank = place.shape.rank
        if not here or not rank:
            raise Misfit("no matrix")
        turned, order = self.name(place), [*range(rank - 1), rank, rank - 1]
        product = {"matmul": {}, "from": self.one([here[0], turned], [turned, here[0]])}
        other = {"seq": ["tanh", {"permute": {"order": order}}]}  # else values are equal in pairs
        return {"inline": {turned: other, self.name(place): product}}

    def unpool(self, place: Place, key: str | None) -> Any:
        """A pool of the image, and back to where its largest values were.

        Other maps may hold what is equal but for rounding, in two places of a window.
        """
        here = [n for n, v in self.earlier(place).items() if v == place.x and v.number == -1]
        if not here:
            raise Misfit("no image")
        sizes = self.one({"kernel": 2}, {"kernel": 3, "stride": 2, "padding": 1})
        pool, back = self.name(place), {"max_unpool": {**sizes, "like": here[0]}}
        return {"inline": {pool: {"max_pool": dict(sizes)}, self.name(place): back}}

    def like(self, place: Place, key: str | None) -> Any:
        """The input at the size of an earlier result."""
        known = {n: v for n, v in self.earlier(place).items() if v.shape.rank == place.shape.rank}
        if not known or not place.shape.rank:
            raise Misfit("nothing like it")
        smaller = [n for n, v in known.items() if all(a <= b for a, b in
                   zip(v.shape.spatial, place.shape.spatial, strict=True))]  # fmt: skip
        if smaller and self.chance(50):
            return {"crop": {"like": self.one(*smaller)}}
        mode = {"mode": "bilinear"} if place.shape.rank == 2 and self.chance(50) else {}
        return {"resize": {"like": self.one(*known), **mode}}

    def by_itself(self, place: Place, key: str | None) -> Any:
        """One module, applied to its own result."""
        module = self.modified(self.op(place))
        if self.chance(50):
            module = {"seq": self.sequence(place.inside(), 3)}
        return {**module, "repeat": self.number(self.one(2, 3, 1), place), "shared": True}

    def use(self, place: Place, key: str | None) -> Any:
        """The module of an earlier item of the same part."""
        known = [name for name in place.frame.makers if not name.startswith("_")]
        if not known:
            raise Misfit("no module")
        return {"use": self.one(*known)}

    def again(self, place: Place, key: str | None) -> Any:
        """One module on several tensors, and what joins the results."""
        names = self.earlier(place)
        here = [n for n, v in names.items() if v == place.x]
        fitting = [n for n, v in names.items() if v.shape.spatial == place.shape.spatial]
        if not here:
            raise Misfit("the input has no name")
        each = [here[0], *(self.one(*fitting) for _ in range(self.one(1, 2)))]
        module = self.modified(self.op(place))
        if self.chance(50):
            module = {"seq": self.sequence(place.inside(), 3)}
        joined = {self.one("concat", "add"): {}}
        return {"inline": {self.name(place): {**module, "each": each}, self.name(place): joined}}
