"""Where a network stands twice, by hand in the gallery and as the spec of torchvision's module.

Lines of the gallery's specs are counted as they are, with those of the specs that they extend:
texts, sources and names of weights among them, which a module does not tell.
"""

import warnings
from pathlib import Path

import torch
import torchvision

from archdsl import from_torch, to_spec
from archdsl.language.gallery import find

NETWORKS = (
    "resnet50", "densenet121", "googlenet", "mobilenet_v2", "efficientnet_b0", "squeezenet1_1",
)  # fmt: skip


def spec_of(name: str) -> str:
    """The spec of torchvision's network."""
    settings = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torchvision.models.get_model(name, weights=None, **settings)
    return to_spec(from_torch(module, torch.empty(1, 3, 224, 224, device="meta"), name=name))


def by_hand(name: str) -> int:
    """The lines of the gallery's spec and of those that it extends."""
    lines = Path(find(name)).read_text(encoding="utf-8").splitlines()
    bases = [Path(line.partition(": ")[2]).stem for line in lines if line.startswith("extends: ")]
    return len(lines) + sum(map(by_hand, bases))
