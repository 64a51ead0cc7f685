"""Trains a network of a spec to tell handwritten digits apart, in half a minute.

    pip install -e '.[examples]'
    python examples/classify.py                                   # the residual net of 20 layers
    python examples/classify.py --set depth=8 --set width=16      # another
    python examples/classify.py examples/specs/digits_preactivation.yaml

The images are scikit-learn's: 1,797 of 8x8, of which the last 450 are for the test.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

import archdsl

SPEC = Path(__file__).parent / "specs" / "digits.yaml"


def images() -> tuple[Tensor, Tensor]:
    """The images with mean 0 and deviation 1, `[1797, 1, 8, 8]`, and the digit on each."""
    data = load_digits()
    pixels = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
    return (pixels - pixels.mean()) / pixels.std(), torch.tensor(data.target)


def train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> float:
    """Shows the network every image once; gives the mean loss."""
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(x)).split(64):
        loss = F.cross_entropy(model(x[chosen]), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(x)


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    return (model(x).argmax(dim=1) == y).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a spec on handwritten digits.")
    parser.add_argument("spec", nargs="?", default=SPEC)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", help="where to save the weights: digits.safetensors")
    options = parser.parse_args()

    torch.manual_seed(0)
    params = dict(setting.split("=", 1) for setting in options.set)
    model = archdsl.compile(options.spec, params=params)
    print(archdsl.summarize(model.graph))

    x, y = images()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
    for epoch in range(options.epochs):
        loss = train_epoch(model, optimizer, x[:-450], y[:-450])
        schedule.step()
        print(f"epoch {epoch + 1}: loss {loss:.3f}, test {accuracy(model, x[-450:], y[-450:]):.1%}")
    if options.out:
        archdsl.save_weights(model, options.out)


if __name__ == "__main__":
    main()
