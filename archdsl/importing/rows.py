"""Tables of rows `[from, repeats, module, args]`, as ultralytics' model files have them, as specs.

Nothing is run: what each module is made of is said here by blocks, with the names that the weights
of YOLOv5, YOLOv8 and YOLO11 have. A file gives its classes (`nc`), its sizes (`scales`, or
`depth_multiple` and `width_multiple`) and the rows of its `backbone` and `head`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from archdsl.diagnostics.errors import SpecError, UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.importing.items import written
from archdsl.importing.modules import BLOCKS, NEEDS
from archdsl.yaml.source import parse

SIZE, IMAGE, DIVISOR = 3, 640, 8
BINS = 16  # of every side of a box, in heads without anchors
REPEATED = {"C2f": "n", "C3": "n", "C3k2": "n", "C2PSA": "n", "BottleneckCSP": "n"}
WIDE = {"Conv", "DWConv", "Focus", "Bottleneck", "SPP", "SPPF", *REPEATED}  # that say channels
MODULES = {*WIDE, "Concat", "nn.Upsample", "nn.MaxPool2d", "nn.Identity", "Detect"}


def table_of(file: str) -> Mapping[str, Any]:
    """The data of a file; raises SpecError for what is no YAML, UsageError for what is no table."""
    path, sink = Path(file), Sink()
    if not path.is_file():
        raise UsageError(f"no file {file}")
    source = parse(path.read_text(encoding="utf-8"), file, sink)
    if source is None:
        raise SpecError(sink.diagnostics)
    data: Any = source.data
    rows = isinstance(data, dict) and [data.get("backbone"), data.get("head")]
    if not rows or not all(isinstance(part, list) for part in rows):
        raise UsageError(f"{file} is no table of rows: `backbone` and `head`, each a list of them")
    found: Mapping[str, Any] = data
    return found


def spec_of_rows(data: Mapping[str, Any], name: str, scale: str = "") -> str:
    """The text of the spec of a table, at one of its scales (the first without a word).

    Raises UsageError for a module that is not known here, and for rows that are none.
    """
    table = _Table(data, _sizes(data, scale))
    for number, row in enumerate([*data["backbone"], *data["head"]]):
        table.add(number, row)
    split = len(data["backbone"])
    items = list(table.items.items())
    said: dict[str, Any] = {"archdsl": 1, "name": name, "input": [SIZE, IMAGE, IMAGE]}
    said["defaults"] = {"conv": {"bias": False}, "batch_norm": {"eps": 0.001, "momentum": 0.03}}
    said["under"] = {"backbone": "model", "head": "model"}
    said["blocks"] = {block: BLOCKS[block] for block in BLOCKS if block in table.blocks}
    said["backbone"], said["head"] = dict(items[:split]), dict(items[split:])
    if table.outputs:
        said["outputs"] = table.outputs
    return written(said)


def _sizes(data: Mapping[str, Any], scale: str) -> tuple[float, float, float]:
    """How much deeper and wider, and the most channels."""
    scales = data.get("scales")
    if not scales:
        if scale:
            raise UsageError(f"no scale `{scale}`: the file has none")
        return data.get("depth_multiple", 1.0), data.get("width_multiple", 1.0), float("inf")
    known = {str(key): value for key, value in scales.items()}
    chosen = scale or next(iter(known))
    if chosen not in known:
        raise UsageError(f"no scale `{chosen}`; {did_you_mean(chosen, known)}")
    depth, width, most = known[chosen]
    return depth, width, most


@dataclass
class _Table:
    data: Mapping[str, Any]
    sizes: tuple[float, float, float]
    items: dict[str, Any] = field(default_factory=dict)
    channels: list[int] = field(default_factory=list)
    blocks: set[str] = field(default_factory=set)
    outputs: dict[str, str] = field(default_factory=dict)

    def add(self, number: int, row: Any) -> None:
        """One row as an item."""
        if not isinstance(row, Sequence) or len(row) != 4:
            raise UsageError(f"row {number} is no [from, repeats, module, args]: {row}")
        source, repeats, module, args = row
        if module not in MODULES:
            help = did_you_mean(str(module), MODULES)
            raise UsageError(f"row {number}: no module `{module}` is known here; {help}")
        sources = [self.place(number, one) for one in ([source] if type(source) is int else source)]
        given = [self.channels[one] if one >= 0 else SIZE for one in sources]
        times = max(round(repeats * self.sizes[0]), 1) if repeats > 1 else repeats
        values = [self.value(arg) for arg in args]
        if module == "Detect":
            self.detect(number, sources, given, values)
            return
        item, out = self.item(module, values, given, times)
        if times > 1 and module not in REPEATED:
            item = {**item, "repeat": times}
        if sources != [number - 1]:
            names = [str(one) for one in sources]
            item["from"] = names if len(names) > 1 else names[0]
        self.items[str(number)] = item
        self.channels.append(out)

    @staticmethod
    def place(number: int, source: int) -> int:
        """Which row an index means."""
        place = number + source if source < 0 else source
        if not -1 <= place < number:
            raise UsageError(f"row {number} takes what comes later: {source}")
        return place

    def value(self, arg: Any) -> Any:
        """An argument, in which a word may be a setting of the file."""
        if arg in ("None", "True", "False"):
            return {"None": None, "True": True, "False": False}[arg]
        return self.data.get(arg, arg) if isinstance(arg, str) else arg

    def wide(self, out: int) -> int:
        """Channels at the chosen width."""
        _, width, most = self.sizes
        return ceil(min(out, most) * width / DIVISOR) * DIVISOR

    def item(
        self, module: str, args: list[Any], given: list[int], times: int
    ) -> tuple[dict[str, Any], int]:
        """A module as an item, and its channels."""
        if module == "Concat":
            return {"concat": {}}, sum(given)
        if module == "nn.Upsample":
            size, factor, mode = (*args, None, None, None)[:3]
            said = {"size": size} if size is not None else {"scale": factor}
            return {"resize": {**said, **({} if mode == "nearest" else {"mode": mode})}}, given[0]
        if module == "nn.MaxPool2d":
            names = ("kernel", "stride", "padding")
            return {"max_pool": dict(zip(names, args, strict=False))}, given[0]
        if module == "nn.Identity":
            return {"identity": {}}, given[0]
        out = self.wide(args[0])
        verb, said = _called(module, args[1:], given[0], out, times, self.sizes[1] >= 1)
        self.blocks |= {verb, *NEEDS.get(verb, ())}
        return {verb: {"out": out, **said}}, out

    def detect(self, number: int, sources: list[int], given: list[int], args: list[Any]) -> None:
        """The layers of a head: with anchors those of YOLOv5, else those of YOLOv8 and YOLO11."""
        classes, levels = args[0], range(len(sources))
        if len(args) > 1 and args[1] is not None:
            anchors = args[1] if isinstance(args[1], int) else len(args[1][0]) // 2
            for k in levels:
                conv = {"out": anchors * (classes + 5), "kernel": 1, "bias": True}
                item = {"conv": conv, "from": str(sources[k]), "as": f"found{k}"}
                self.items[f"{number}.m.{k}"] = item
                self.outputs[f"p{k + 3}"] = f"found{k}"
            return
        boxes = max(16, given[0] // 4, 4 * BINS)
        scores = max(given[0], min(classes, 100))
        light = any("c3k2" in verb for verb in self.blocks)
        self.blocks |= {"tower", "unit", *(("light_tower",) if light else ())}
        towers = [
            ("cv2", "tower", boxes, 4 * BINS, "boxes"),
            ("cv3", "light_tower" if light else "tower", scores, classes, "scores"),
        ]
        for key, verb, width, out, label in towers:
            for k in levels:
                self.items[f"{number}.{key}.{k}"] = {
                    verb: {"width": width, "out": out}, "from": str(sources[k]),
                    "as": f"{label}{k}",
                }  # fmt: skip
        for label, out in (("boxes", 4 * BINS), ("scores", classes)):
            for k in levels:
                item = {"reshape": {"shape": [out, -1]}, "from": f"{label}{k}"}
                self.items[f"_{label}{k}"] = item
            joined = [f"_{label}{k}" for k in levels]
            self.items[f"_{label}"] = {"concat": {"axis": 1}, "from": joined}
        self.items["_bins"] = {
            "seq": {
                "_sides": {"reshape": {"shape": [4, BINS, -1]}},
                "_turned": {"permute": {"order": [1, 0, 2]}}, "_shares": "softmax",
            },
            "from": "_boxes",
        }  # fmt: skip
        self.items[f"{number}.dfl.conv"] = {"conv": {"out": 1, "kernel": 1}}
        self.items["_distances"] = {"reshape": {"shape": [4, -1]}}
        self.outputs |= {"distances": "_distances", "scores": "_scores"}


def _called(
    module: str, args: list[Any], given: int, out: int, times: int, large: bool
) -> tuple[str, dict[str, Any]]:
    """The block of a module, and what it says beside its channels."""
    if module in ("Conv", "DWConv", "Focus"):
        names = ("kernel", "stride", "padding", "groups")
        said = {n: v for n, v in zip(names, args, strict=False) if v is not None}
        if module == "DWConv":
            said["groups"] = "gcd(C, out)" if given % out and out % given else min(given, out)
        return ("focus" if module == "Focus" else "unit"), said
    if module in ("SPP", "SPPF"):
        kernel = args[0] if args else (5 if module == "SPPF" else [5, 9, 13])
        return module.lower(), {"kernel": kernel} if kernel not in (5, [5, 9, 13]) else {}
    if module == "Bottleneck":
        return "bottleneck", {"joins": bool(given == out and (args[0] if args else True))}
    if module == "C3k2":
        deep = bool(args[0]) if args else False
        half = int(out * (args[1] if len(args) > 1 else 0.5))
        said = {"n": times, "half": half} if half != out // 2 else {"n": times}
        return ("c3k2_deep" if deep or large else "c3k2"), said
    if module == "C2PSA":
        return "c2psa", {"n": times}
    joins = bool(args[0]) if args else module != "C2f"
    verb = {"C2f": "c2f", "C3": "c3", "BottleneckCSP": "csp"}[module]
    return verb, {"n": times, **({"joins": True} if joins else {})}
