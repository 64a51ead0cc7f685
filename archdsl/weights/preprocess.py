"""What is done to an image before a network with published weights: torchvision's transforms."""

from functools import partial
from typing import TYPE_CHECKING, Any

from archdsl.diagnostics.packages import require
from archdsl.language.keys import PreprocessForm

if TYPE_CHECKING:
    from torch import nn

HALF = [0.5, 0.5, 0.5]


def transform_of(form: PreprocessForm) -> "nn.Module":
    """The transform of a PIL image, or of bytes `[..., C, H, W]`, to what the network takes.

    With `frames` it takes `[..., T, C, H, W]` and gives `[..., C, T, H, W]`. Raises UsageError
    without torchvision.
    """
    require("preprocess", "torchvision")
    import torch
    from torchvision.transforms import InterpolationMode, Resize, v2

    values: list[Any] = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    steps: list[Any] = values if form.as_numbers else []
    if form.resize is not None:
        size = [form.resize] if isinstance(form.resize, int) else form.resize
        how = InterpolationMode(form.interpolation)
        # the presets' own, which rounds bytes of tensors as they do; v2's rounds otherwise
        steps += [Resize(size, how, max_size=form.longest, antialias=form.antialias)]
    if form.crop is not None:
        steps += [v2.CenterCrop(form.crop)]
    if not form.as_numbers:
        steps += values
    if form.mean:  # (x - mean) / std, taken back and done with 0.5, is done with 0.5
        steps += [v2.Normalize(*([HALF, HALF] if form.transform_input else [form.mean, form.std]))]
    if form.frames:
        steps += [v2.Lambda(partial(torch.transpose, dim0=-4, dim1=-3))]
    transform: nn.Module = v2.Compose([*steps, v2.ToPureTensor()])
    return transform
