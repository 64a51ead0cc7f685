"""Writes docs/claims.md: what papers claim of their networks, beside what our analysis computes.

    python docs/claims.py [--check]

With `--check` nothing is written; the exit status is 1 if the page is not what would be written.
"""

import json
import sys
from pathlib import Path
from typing import Any

import archdsl
from archdsl.analysis.measures import totals
from archdsl.analysis.memory import memory
from archdsl.expressions.numbers import number, quantity
from archdsl.graph.graph import Graph
from archdsl.tables.summary import cell

PAGE = Path(__file__).parent / "claims.md"

EXAMPLES = Path(__file__).parents[1] / "examples"
TRAINED = EXAMPLES / "results" / "degradation.json"
STEPPED = EXAMPLES / "results" / "checkpointed.json"

sys.path.append(str(EXAMPLES))
import checkpointed as measured_nets  # noqa: E402 - its nets are those that were measured

HEADER = """\
# What the field claims, computed

Written by `python docs/claims.py` from the specs of the gallery; a test writes it again and
compares. What the columns mean is in [numbers.md](numbers.md). "GMACs" are what the papers print
as billions of FLOPs.
"""

STACK = """
archdsl: 1
name: stack
input: [64, 64, 64]
defaults: {conv: {bias: false}}
backbone:
"""


def stack(*items: str) -> Graph:
    """A small network on 64 channels."""
    return archdsl.loads(STACK + "".join(f"  - {item}\n" for item in items))


def measured(graph: Graph, *columns: str) -> list[Any]:
    return list(totals(graph, columns).values())


def table(head: list[str], rows: list[list[str]]) -> str:
    sides = [":--"] + ["--:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, sides, *rows]) + "\n"


def filters() -> str:
    """VGG: section 2.3."""
    three = stack(*["{conv: {out: 64, kernel: 3}}"] * 3)
    seven = stack("{conv: {out: 64, kernel: 7}}")
    rows, sizes = [], []
    for name, graph in (("three 3x3", three), ("one 7x7", seven)):
        parameters, field = measured(graph, "parameters", "field")
        rows.append([name, f"{parameters:,}", cell(field, "sizes")])
        sizes.append(parameters)
    return (
        "## Three 3x3 layers see what one 7x7 sees, with 55% of its parameters\n\n"
        "Simonyan & Zisserman 2015, section 2.3: 27C² against 49C², here for C = 64.\n\n"
        + table(["layers", "parameters", "receptive field"], rows)
        + f"\nThat is {sizes[0] / sizes[1]:.1%}.\n"
    )


def compared(title: str, text: str, names: list[str], columns: list[str]) -> str:
    """Networks of the gallery side by side."""
    from archdsl.analysis.measures import MEASURES

    rows = []
    for name in names:
        graph = archdsl.load(name)
        values = totals(graph.select(graph.outputs), columns)  # without what only training uses
        rows.append([name, *(cell(v, MEASURES[c].kind) for c, v in values.items())])
    head = ["network", *(MEASURES[column].heading for column in columns)]
    return f"## {title}\n\n{text}\n\n" + table(head, rows)


def separable() -> str:
    """MobileNet: section 3.1."""
    full = stack("{conv: {out: 128, kernel: 3}}")
    parts = stack("{conv: {out: 64, kernel: 3, groups: 64}}", "{conv: {out: 128, kernel: 1}}")
    rows, costs = [], []
    for name, graph in (("full 3x3", full), ("depthwise 3x3 and 1x1", parts)):
        parameters, macs = measured(graph, "parameters", "macs")
        rows.append([name, f"{parameters:,}", quantity(macs)])
        costs.append(macs)
    return (
        "## A depthwise separable convolution costs 8 to 9 times less than a full one\n\n"
        "Howard et al. 2017, section 3.1: 1/N + 1/9 of it for N output channels, here 64 to 128\n"
        "channels on 64x64: 1/128 + 1/9 = 11.9%.\n\n"
        + table(["convolution", "parameters", "MACs"], rows)
        + f"\nThat is {costs[1] / costs[0]:.1%}, {costs[0] / costs[1]:.1f} times less.\n"
    )


PUBLISHED = {  # EfficientNet, table 2: parameters, FLOPs
    "b0": ("5.3M", "0.39B"),
    "b1": ("7.8M", "0.70B"),
    "b2": ("9.2M", "1.0B"),
    "b3": ("12M", "1.8B"),
    "b4": ("19M", "4.2B"),
    "b5": ("30M", "9.9B"),
    "b6": ("43M", "19B"),
    "b7": ("66M", "37B"),
}


def efficientnets() -> str:
    """EfficientNet: table 2, equation 3."""
    rows = []
    base = before = 0
    for phi, (name, (parameters, flops)) in enumerate(PUBLISHED.items()):
        ours = totals(archdsl.load(f"efficientnet_{name}"), ("parameters", "macs"))
        formula = totals(archdsl.load("efficientnet_b0", scale={"phi": phi}), ("macs",))
        macs = int(str(ours["macs"]))
        base, growth = base or macs, f"{macs / before:.2f}x" if before else ""
        rows.append(
            [
                name.upper(),
                f"{parameters}, {flops}",
                f"{cell(ours['parameters'], 'count')}, {quantity(macs)}",
                growth,
                f"{macs / base:.1f}x of {2**phi}x",
                cell(formula["macs"], "count"),
            ]
        )
        before = macs
        assert abs(macs / number(flops.replace("B", "G")) - 1) < 0.06
    head = ["network", "published", "computed", "growth", "of B0, of 2^phi", "MACs at phi"]
    return (
        "## Each EfficientNet, and the doubling of cost with every phi\n\n"
        "Tan & Le 2019, table 2 and equation 3. B1 to B7 are not the formula: the authors' code\n"
        "has a table of factors, and the last column is what the bases 1.2, 1.1 and 1.15 of B0\n"
        "give. Cost grows faster than it should at first, as the depth of a stage of one layer is\n"
        "rounded up to two, and as widths are rounded to multiples of 8.\n\n" + table(head, rows)
    )


def spread(values: list[float], digits: str) -> str:
    """The mean of several seeds, the least and the most in brackets."""
    mean = sum(values) / len(values)
    return f"{mean:{digits}} ({min(values):{digits}}–{max(values):{digits}})"


def degradation() -> str:
    """ResNet: figure 1, section 4.2; what examples/degradation.py wrote."""
    results = json.loads(TRAINED.read_text(encoding="utf-8"))
    trained: dict[tuple[str, int], list[Any]] = {}
    for run in sorted(results["train"], key=lambda run: (run["kind"], run["depth"])):
        trained.setdefault((run["kind"], run["depth"]), []).append(run)
    rows = [
        [
            f"{kind}, {depth} layers",
            str(len(runs)),
            spread([run["losses"][-1] for run in runs], ".3f"),
            spread([run["errors"][-1] for run in runs], ".1%"),
            spread([run["test error"] for run in runs], ".1%"),
        ]
        for (kind, depth), runs in trained.items()
    ]
    epochs = len(results["train"][0]["losses"])
    measured: dict[tuple[str, int], list[Any]] = {}
    for run in sorted(results["gradients"], key=lambda run: run["depth"]):
        measured.setdefault((run["kind"], run["depth"]), []).append(run["norms"])
    gradients = [
        [
            f"{kind}, {depth:,} layers",
            str(len(runs)),
            *(f"{sum(norms[n] for norms in runs) / len(runs):.2g}" for n in (0, -1)),
        ]
        for (kind, depth), runs in measured.items()
    ]
    head = ["net", "seeds", "training loss", "training error", "test error"]
    return (
        "## Deeper plain nets train worse, residual ones do not\n\n"
        "He et al. 2016, figure 1 and section 4.2, tried anew on scikit-learn's 1,797 digits\n"
        f"of 8x8 by `python examples/degradation.py`: {epochs} epochs, the paper's optimizer,\n"
        "nets of its form with 8, 16 and 32 channels, batch norm in all. The mean of the seeds,\n"
        "the least and the most in brackets. With shortcuts the 56 layers learn, if in so few\n"
        "epochs a little less than the 20; without they hardly begin to.\n\n"
        + table(head, rows)
        + "\n![Training loss by epochs](plots/degradation.svg)\n\n"
        "Before the first step, the norm of the gradient of the first and the last 3x3\n"
        "convolution (the mean of the seeds): with batch norm it grows towards the input, by a\n"
        "factor for each layer of a plain net, in a residual one far less, and hardly at all with\n"
        "pre-activation (He et al. 2016, Identity Mappings, section 2).\n\n"
        + table(["net", "seeds", "first layer", "last layer"], gradients)
        + "\n![Norms of the gradients by depth](plots/gradients.svg)\n"
    )


def checkpointed() -> str:
    """What examples/checkpointed.py measured, beside what `summary` says of the same specs."""
    results = json.loads(STEPPED.read_text(encoding="utf-8"))
    batch = results["batch"]
    rows = []
    for step in results["steps"]:
        graph = measured_nets.net(step["kind"], step["depth"])
        said, found = memory(graph, batch=batch).saved, step["bytes"]
        rows.append(
            [
                f"DenseNet-{step['depth']}, {step['kind']}",
                f"{quantity(said)}B",
                f"{quantity(found)}B",
                f"{found / said:.2f}",
                f"{step['seconds']:.1f}",
            ]
        )
    head = ["net, its layers", "saved, computed", "peak, measured", "ratio", "seconds"]
    return (
        "## A dense net whose layers are computed again takes half the memory\n\n"
        "Pleiss et al. 2017, Memory-Efficient Implementation of DenseNets: what autograd keeps\n"
        "of a dense block grows with the square of its depth, and with its depth alone where\n"
        "every layer is computed again in the backward pass (`checkpoint: true` beside it). One\n"
        f"step of training on {batch} images by `python examples/checkpointed.py`, by how much it\n"
        "raises the peak of the process's memory, beside what the analysis says autograd keeps;\n"
        "the rest is the gradients of maps, and what kernels take for themselves. The seconds\n"
        "are those of one step on two cores.\n\n" + table(head, rows)
    )


def page() -> str:
    """The whole page."""
    costs = ["parameters", "macs", "depth"]
    kept = ["parameters", "macs", "activations", "memory", "saved"]
    parts = [
        HEADER,
        filters(),
        compared(
            "A 34-layer residual network has fewer MACs than VGG-19",
            "He et al. 2016, section 3.3: 3.6 billion, 18% of VGG-19's 19.6 billion.",
            ["resnet34", "vgg19"],
            costs,
        ),
        compared(
            "DenseNet-121 has a third of ResNet-50's parameters and more activations to keep",
            "Huang et al. 2017, table 2 and figure 3. Every layer's input is a concatenation that\n"
            "training keeps, which is what memory-efficient implementations compute again.",
            ["densenet121", "resnet50"],
            kept,
        ),
        checkpointed(),
        separable(),
        compared(
            "GoogLeNet has 12 times fewer parameters than AlexNet",
            'Szegedy et al. 2015, section 1: "12x fewer parameters" than the network of 2012, of\n'
            "60 million. That is 5 million; as it is built it has 6.6, and 9.2 times fewer. Its\n"
            "side classifiers, which only training uses, are left out here.",
            ["googlenet", "alexnet"],
            costs,
        ),
        compared(
            "The names count layers",
            "Weighted layers on the longest path; projections lie on shorter ones.",
            ["vgg16", "resnet18", "resnet34", "resnet50", "resnet101", "densenet121", "googlenet"],
            ["depth", "field"],
        ),
        efficientnets(),
        degradation(),
    ]
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    text = page()
    if "--check" in arguments:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
