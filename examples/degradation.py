"""Deeper plain nets train worse, residual ones do not: the claim of He et al. 2016, tried anew.

    python examples/degradation.py            # some minutes on one core

The nets are those of the paper's section 4.2, narrower (specs/digits.yaml), the images are 1,347
handwritten digits of 8x8 that scikit-learn ships. Writes results/degradation.json and docs/plots;
`python docs/claims.py` makes the tables of docs/claims.md from it. Runs whose results are there are
not run again: remove the file to begin anew.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

import archdsl
from archdsl.tables.axes import Figure

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PLOTS = HERE.parent / "docs" / "plots"
SEEDS, EPOCHS, BATCH = (0, 1, 2), 12, 128
RATE, MOMENTUM, DECAY = 0.1, 0.9, 1e-4  # the paper's; a tenth of the rate for the last third
TRAINED = (20, 56)
DEPTHS = (20, 56, 110, 1004)  # 6n + 2
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"spec": HERE / "specs/digits.yaml", "params": {"residual": False}},
    "residual": {"spec": HERE / "specs/digits.yaml", "params": {}},
    "pre-activation": {"spec": HERE / "specs/digits_preactivation.yaml", "params": {}},
}
POINTS = 60  # of a curve over depth
Results = dict[str, list[dict[str, Any]]]  # of `train` and of `gradients`


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images and classes to learn from, images and classes to test with."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None]
    images = (images - images.mean()) / images.std()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    learn, test = order[:1347], order[1347:]
    classes = torch.tensor(data.target)
    return images[learn], classes[learn], images[test], classes[test]


@cache
def made(kind: str, depth: int) -> type[nn.Module]:
    """The class of a net, which makes it anew with other values to start from."""
    said = KINDS[kind]
    return type(archdsl.compile(said["spec"], params={**said["params"], "depth": depth}))


def network(kind: str, depth: int, seed: int) -> nn.Module:
    net = made(kind, depth)
    torch.manual_seed(seed)
    return net().train()


def train(kind: str, depth: int, seed: int, epochs: int = EPOCHS) -> dict[str, Any]:
    """The mean loss and the share of errors on what is learned from, after every epoch."""
    model = network(kind, depth, seed)
    images, classes, unseen, answers = digits()
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, -(-2 * epochs // 3))
    losses, errors = [], []
    for _ in range(epochs):
        loss_sum = wrong = 0.0
        for chosen in torch.randperm(len(images)).split(BATCH):
            scores = model(images[chosen])
            loss = F.cross_entropy(scores, classes[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(chosen)
            wrong += int((scores.argmax(1) != classes[chosen]).sum())
        schedule.step()
        losses.append(round(loss_sum / len(images), 4))
        errors.append(round(wrong / len(images), 4))
    with torch.no_grad():
        test = float((model.eval()(unseen).argmax(1) != answers).double().mean())
    found = {"kind": kind, "depth": depth, "seed": seed, "test error": round(test, 4)}
    return {**found, "losses": losses, "errors": errors}


def gradients(kind: str, depth: int, seed: int) -> dict[str, Any]:
    """The norms of the gradients of the 3x3 convolutions before the first step, from first to last.

    In float64, whose range they need.
    """
    model = network(kind, depth, seed).double()
    images, classes, *_ = digits()
    F.cross_entropy(model(images[:32].double()), classes[:32]).backward()
    norms = [float(p.grad.norm()) for p in model.parameters() if p.shape[-1:] == (3,)]
    chosen = [norms[n * (len(norms) - 1) // (POINTS - 1)] for n in range(POINTS)]
    shown = norms if len(norms) < POINTS else chosen
    return {"kind": kind, "depth": depth, "seed": seed, "norms": [float(f"{n:.4g}") for n in shown]}


def of(rows: list[dict[str, Any]], kind: str, depth: int) -> list[dict[str, Any]]:
    return [row for row in rows if (row["kind"], row["depth"]) == (kind, depth)]


def means(runs: Iterable[list[float]]) -> list[float]:
    """The mean of several runs at each of their points."""
    return [sum(values) / len(values) for values in zip(*runs, strict=True)]


def draw(results: Results) -> None:
    """The loss by epochs, and the gradients by depth: the mean of the seeds in each point."""
    dashes = {20: ":", 56: "--", 110: "--", 1004: "-"}
    shades = {"plain": "black", "residual": "0.45", "pre-activation": "0.7"}
    with Figure(PLOTS / "degradation.svg") as axes:
        for kind in ("plain", "residual"):
            for depth in TRAINED:
                mean = means(run["losses"] for run in of(results["train"], kind, depth))
                axes.plot(range(1, len(mean) + 1), mean, dashes[depth], color=shades[kind],
                          label=f"{kind}, {depth} layers")  # fmt: skip
        axes.set(yscale="log", xlabel="epoch", ylabel="training loss")
        axes.legend()
    with Figure(PLOTS / "gradients.svg") as axes:
        for kind in KINDS:
            for depth in (20, 110, 1004):
                mean = means(run["norms"] for run in of(results["gradients"], kind, depth))
                x = [n / (len(mean) - 1) for n in range(len(mean))]
                axes.plot(x, mean, dashes[depth], color=shades[kind],
                          label=f"{kind}, {depth:,} layers")  # fmt: skip
        axes.set(yscale="log", xlabel="place of the layer, first to last",
                 ylabel="norm of its gradient")  # fmt: skip
        axes.legend()


def save(results: Results) -> None:
    rows = [
        f" {json.dumps(name)}: [\n  " + ",\n  ".join(map(json.dumps, found)) + "\n ]"
        for name, found in results.items()
    ]
    (RESULTS / "degradation.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


def main() -> None:
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "degradation.json"
    results: Results = json.loads(file.read_text()) if file.exists() else {}
    plan = [  # of each seed
        *((train, (kind, depth)) for depth in TRAINED for kind in ("plain", "residual")),
        *((gradients, (kind, depth)) for depth in DEPTHS for kind in KINDS),
    ]
    for seed in SEEDS:
        for measure, (kind, depth) in plan:
            rows = results.setdefault(measure.__name__, [])
            if not any(row["seed"] == seed for row in of(rows, kind, depth)):
                rows.append(measure(kind, depth, seed))
                save(results)
                print(f"{measure.__name__}: {kind}, {depth} layers, seed {seed}", flush=True)
    draw(results)


if __name__ == "__main__":
    main()
