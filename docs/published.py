"""Writes the tables of published weights from torchvision and timm: `python docs/published.py`.

They are as the installed packages say; a test holds every entry of torchvision's to it.
"""

import json
import math
import re
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timm
import torch
from torchvision import models
from torchvision.models import detection

from archdsl.language.gallery import every

TABLES = Path(__file__).parent.parent / "archdsl" / "weights" / "tables"
HASH = re.compile(r"-([0-9a-f]{8,})\.\w+$")  # in the name of a file, as torch.hub has it
NAMES_AT_TIMM = {  # of networks that have another name there; the others have their own or none
    "xception": "legacy_xception",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v2_w035": "mobilenetv2_035",
    "mobilenet_v2_w050": "mobilenetv2_050",
    "mobilenet_v2_w075": "mobilenetv2_075",
    "mobilenet_v2_w140": "mobilenetv2_140",
}


def torchvision() -> dict[str, Any]:
    """The table of torchvision: `{network: {entry: ...}}`, the default entry first."""
    known = set(models.list_models())
    return {name: _entries(name) for name in every() if name in known}


def _entries(name: str) -> dict[str, Any]:
    weights = models.get_model_weights(name)
    ordered = sorted(weights, key=lambda one: one is not weights.DEFAULT)
    return {one.name: _of_torchvision(name, one) for one in ordered}


def _of_torchvision(name: str, weights: Any) -> dict[str, Any]:
    meta, digest = weights.meta, HASH.search(weights.url)
    return _without_empty(
        {
            "url": weights.url,
            "sha256": digest and digest[1],
            "classes": meta["categories"] and len(meta["categories"]),
            "metrics": {
                of: metrics
                for of, metrics in meta["_metrics"].items()
                if not any(map(math.isnan, metrics.values()))  # of features alone
            },
            "megabytes": meta["_file_size"],
            "licence": meta.get("license"),
            "preprocess": _preset(name, weights.transforms),
        }
    )


def _preset(name: str, transforms: Any) -> dict[str, Any]:
    """What a preset of torchvision does; that of detectors is a part of the network there."""
    preset = transforms()
    if isinstance(transforms, partial) and hasattr(preset, "resize_size"):
        resize, crop = preset.resize_size, getattr(preset, "crop_size", None)
        return _without_empty(
            {
                "resize": resize[0] if len(resize) == 1 else list(resize),
                "crop": crop and [crop[0], crop[-1]],
                "interpolation": preset.interpolation.value,
                "antialias": getattr(preset, "antialias", False),
                "mean": preset.mean,
                "std": preset.std,
                "transform_input": name in _transforming(),
                "frames": "Video" in type(preset).__name__,
            }
        )
    with torch.device("meta"):
        within = getattr(detection, name)(weights=None, weights_backbone=None).transform
    fixed = within.fixed_size
    return _without_empty(
        {
            "resize": within.min_size[0] if fixed is None else [*reversed(fixed)],
            "longest": within.max_size if fixed is None else None,
            "as_numbers": True,
            "antialias": False,
            "mean": within.image_mean,
            "std": within.image_std,
        }
    )


def _transforming() -> Iterator[str]:
    """The networks of torchvision that change the normalisation of what they are given."""
    for name in ("googlenet", "inception_v3"):
        with torch.device("meta"):
            if hasattr(models.get_model(name, init_weights=False), "transform_input"):
                yield name


def from_timm() -> dict[str, Any]:
    """The table of timm: what it has at the hub."""
    known, found = set(timm.list_models()), {}
    for ours in every():
        theirs = NAMES_AT_TIMM.get(ours, ours)
        entries = {
            tag: _of_timm(config)
            for tag, config in _configs(theirs)
            if config.hf_hub_id and not config.custom_load
        }
        if theirs in known and entries:
            found[ours] = entries
    return found


def _configs(name: str) -> Iterator[tuple[str, Any]]:
    default = timm.get_pretrained_cfg(name, allow_unregistered=True)
    names = timm.list_pretrained(f"{name}.*")
    tags = [one.partition(".")[2] for one in names]
    for tag in sorted(tags, key=lambda one: default is None or one != default.tag):
        yield tag, timm.get_pretrained_cfg(f"{name}.{tag}")


def _of_timm(config: Any) -> dict[str, Any]:
    _, height, width = config.input_size
    assert config.crop_mode in ("center", "squash"), config
    resize = [math.floor(height / config.crop_pct), math.floor(width / config.crop_pct)]
    square = height == width and config.crop_mode == "center"
    return _without_empty(
        {
            "hub": config.hf_hub_id,
            "classes": config.num_classes,
            "licence": config.license,
            "preprocess": _without_empty(
                {
                    "resize": resize[0] if square else resize,
                    "crop": [height, width],
                    "interpolation": config.interpolation,
                    "mean": list(config.mean),
                    "std": list(config.std),
                }
            ),
        }
    )


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    """The data without what an entry has anyway."""
    usual = {"interpolation": "bilinear", "antialias": True}
    return {
        key: value
        for key, value in data.items()
        if value not in (None, [], {}) and value is not False and usual.get(key) != value
    } | {key: False for key in usual if data.get(key) is False}


def write(package: str, networks: dict[str, Any]) -> None:
    data = {"package": package, "version": version(package), "networks": networks}
    text = json.dumps(data, indent=1, sort_keys=False) + "\n"
    (TABLES / f"{package}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    TABLES.mkdir(exist_ok=True)
    write("torchvision", torchvision())
    write("timm", from_timm())
