"""Pages from measurements, which are kept in files: `exports.json`, `clients.json`, and others."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).parent
TOLERANCE = 1e-4  # of the largest number
FORMATS = ("onnx", "openvino", "pt2", "safetensors", "torchscript")
ALONE = ("inductor", "onnxruntime", "openvino")
CLOSE = 0.03  # by how much an engine alone may be faster than ours
FASTER = 1.5  # times as fast as torchvision's network, which ours should be at least


def _read(name: str) -> Any:
    return json.loads((DOCS / name).read_text(encoding="utf-8"))


def _versions(data: Any) -> str:
    return ", ".join(f"{package} {version}" for package, version in data["versions"].items())


def exports(total: int) -> str:
    """What became of the gallery's networks in every format; `total` is how many there are."""
    data = _read("exports.json")
    rows, reasons = [], []
    good = cells = 0
    for name, row in data["networks"].items():
        shown = []
        for format in FORMATS:
            value = row[format]
            fine = isinstance(value, float) and value <= TOLERANCE and "range" not in row
            cells, good = cells + 1, good + fine
            shown.append(f"{value:.0e}" if fine and value else "0" if fine else "**no**")
            if not fine:
                why = value if isinstance(value, str) else f"off by {value:.1e}"
                why = f"{row['range']}; {why}" if "range" in row else why
                if "rounding" in row:
                    why += f"; PyTorch itself is off by {row['rounding']:.1e} of double precision"
                reasons.append(f"* `{name}`, {format}: {why}")
        rows.append(f"| `{name}` | {row['size']} | {' | '.join(shown)} |")
    head = [
        f"{good} of {cells} cells are within 1e-4. {len(rows)} of {total} networks were tried",
        f"(`python docs/exports.py`), by {_versions(data)}.",
        "",
        f"| network | image | {' | '.join(FORMATS)} |",
        f"| --- | --- | {' | '.join(['---'] * len(FORMATS))} |",
    ]
    return "\n".join([*head, *rows, *(["", *reasons] if reasons else []), ""])


class Compared(NamedTuple):
    """A network on some images, ours: how many times as fast as eager, as the fastest alone."""

    network: str
    images: int
    engine: str
    eager: float
    alone: float
    fastest: str
    rate: float  # of the matrix product's that eager reaches


def _compared(one: Any) -> Compared:
    rows = {row["way"]: row for row in one["rows"]}
    ours = rows["best"]
    alone = max((rows[way] for way in ALONE if way in rows), key=lambda row: row["ratio"])
    engine = ours["title"].partition(": ")[2]
    share = ours["ratio"] / alone["ratio"]
    eager = rows.get("torchvision", rows["eager"])
    return Compared(
        one["network"], one["images"], engine, ours["ratio"], share, alone["way"], eager["share"]
    )


def _goals(compared: Sequence[Compared]) -> list[str]:
    """How often no engine alone is faster than ours, and ours fast enough; where that is missed."""
    slower = [one for one in compared if one.alone < 1 - CLOSE]
    slow = [one for one in compared if one.eager < FASTER]
    total = len(compared)
    return [
        f"* No engine alone is more than {CLOSE:.0%} faster than ours: {total - len(slower)} of "
        f"{total}{_missed(slower, lambda one: f'{1 / one.alone - 1:.0%} faster')}",
        f"* Ours is at least {FASTER} times as fast as torchvision's network: {total - len(slow)} "
        f"of {total}{_missed(slow, _why_slow)}",
    ]


def _why_slow(one: Compared) -> str:
    return f"{one.eager:.2f}, where torchvision's reaches {one.rate:.0%} of the matrix rate"


def _missed(missed: Sequence[Compared], why: Callable[[Compared], str]) -> str:
    said = "; ".join(f"`{one.network}` at {one.images} is not ({why(one)})" for one in missed)
    return f"; {said}." if said else "."


def speed() -> str:
    """A table for every network and number of images, and how ours stands in each."""
    data = _read("speed.json")
    if not data["measured"]:
        return (
            "No numbers are kept here yet: they want a quiet machine.\n"
            "`python benchmarks/engines.py` measures resnet50, densenet121, mobilenet_v2,\n"
            "efficientnet_b0 and googlenet at 1 and 8 images by every engine, and writes them\n"
            "to where this page takes them from.\n"
        )
    compared = [_compared(one) for one in data["measured"]]
    parts = [
        f"Measured with {_versions(data)} by `python benchmarks/engines.py`.",
        "",
        *_goals(compared),
        "",
        "| network | images | ours | of torchvision's eager | of the fastest engine alone |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in compared:
        against = f"{one.alone:.2f} ({one.fastest})"
        parts.append(
            f"| `{one.network}` | {one.images} | {one.engine} | {one.eager:.2f} | {against} |"
        )
    for one in data["measured"]:
        low, high = one["load"]
        parts += [
            "",
            f"### {one['network']}, {one['images']} at a time\n",
            f"{one['threads']} thread{'s' * (one['threads'] > 1)}, {one['turns']} turns, matrices "
            f"at {one['rate'] / 1e9:.0f} GFLOP/s, load average {low:.1f} to {high:.1f}.\n",
            "| | ms | spread | ratio | of matrix rate | memory |",
            "| --- | --: | --: | --: | --: | --: |",
        ]
        for row in one["rows"]:
            memory = "" if row["memory"] is None else f"{row['memory'] / 1e6:.0f} MB"
            parts.append(
                f"| {row['title']} | {1000 * row['seconds']:.1f} | {100 * row['spread']:.0f}% "
                f"| {row['ratio']:.2f} | {100 * row['share']:.0f}% | {memory} |"
            )
        parts += [f"\nNot run: {way}: {why}" for way, why in one["failed"].items()]
    return "\n".join([*parts, ""])


def editor() -> str:
    """What an editor waits for, and what the server works for it."""
    data = _read("editor.json")
    rows = []
    for row in data["rows"]:
        worked = row["worked"] or ["", ""]
        shown = " | ".join(str(one) for one in (*row["waited"], *worked))
        rows.append(f"| `{row['network']}` | {row['asked']} | {shown} |")
    low, high = data["load"]
    head = [
        f"Milliseconds over {data['edits']} edits of each, with Python {data['python']} at a load",
        f"average of {low} to {high}: what the client waits, and the processor time of the server.",
        "",
        "| network | asked | waits, p50 | p95 | works, p50 | p95 |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([*head, *rows])


def clients() -> str:
    """Which network works in which package; the reasons where one does not are below the table."""
    data = _read("clients.json")
    names = [*next(iter(data["networks"].values()))]
    reasons: dict[tuple[str, str], list[str]] = {}
    rows = []
    for network, row in data["networks"].items():
        for client, said in row.items():
            if said:
                reasons.setdefault((client, said.replace(network, "NETWORK")), []).append(network)
        shown = " | ".join("**no**" if row[client] else "yes" for client in names)
        rows.append(f"| `{network}` | {shown} |")
    good = sum(not said for row in data["networks"].values() for said in row.values())
    head = [
        f"{good} of {len(names) * len(rows)} work, by {_versions(data)}.",
        "",
        f"| network | {' | '.join(names)} |",
        f"| --- | {' | '.join(['---'] * len(names))} |",
    ]
    why = [
        f"* {client}, {', '.join(f'`{network}`' for network in networks)}: {said}"
        for (client, said), networks in reasons.items()
    ]
    return "\n".join([*head, *rows, *(["", *why] if why else [])])


def forward() -> str:
    """Forward times of emitted modules beside torchvision's, and what the machine adds."""
    data = _read("forward.json")
    head = [
        f"One image on one thread, torch {data['torch'].partition('+')[0]}, processor's time,",
        f"{data['turns']} turns in one run of `python benchmarks/forward.py`: the median of the",
        "turns' own ratios, with the middle half of them. `noise` is a second module of",
        "torchvision's beside the first.",
        "",
        "| | ours, ms | torchvision's, ms | ratio | noise |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows = [
        f"| `{one['network']}` | {one['ours']:.1f} | {one['torchvision']:.1f} "
        f"| {_middle(one['ratio'])} | {_middle(one['noise'])} |"
        for one in data["networks"]
    ]
    return "\n".join([*head, *rows])


def _middle(quartiles: Sequence[float]) -> str:
    low, middle, high = quartiles
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"
