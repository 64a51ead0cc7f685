"""The references themselves, built by the call that their records name."""

import importlib
from typing import Any

import torch
from torch import nn

LOADED = {  # the modules that a source's constructor needs
    "torchvision": ("torchvision.models.segmentation", "torchvision.models.detection"),
    "timm": ("timm",),
    "pytorchcv": ("pytorchcv.model_provider",),
    "smp": ("segmentation_models_pytorch",),
}


def build(reference: dict[str, Any], seed: int = 0) -> nn.Module:
    """The model of a record, with the weights that it starts with after a seed."""
    modules = [importlib.import_module(name) for name in LOADED[reference["source"]]]
    roots = {module.__name__.partition(".")[0] for module in modules}
    call = reference["constructor"].replace("init_weights=False", "init_weights=True")
    torch.manual_seed(seed)
    model: nn.Module = eval(call, {name: importlib.import_module(name) for name in roots})
    return model
