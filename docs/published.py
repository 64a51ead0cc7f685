"""Writes the tables of published weights from torchvision and timm: `python docs/published.py`.

They are as the installed packages say; a test holds every entry of torchvision's to it. timm does
not install what its weights reach: that is in `results/results-imagenet.csv` of its repository, of
which `--results FILE --commit HASH` takes the rows whose image is that of an entry; without it the
numbers of the table stay.
"""

import argparse
import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
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
RESULTS = "huggingface/pytorch-image-models:results/results-imagenet.csv"
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


def from_timm(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The table of timm: what it has at the hub, with what is claimed by the hub's names."""
    known, found = set(timm.list_models()), {}
    for ours in every():
        theirs = NAMES_AT_TIMM.get(ours, ours)
        entries = {
            tag: _of_timm(config, metrics.get(config.hf_hub_id, {}))
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


def kept(networks: Mapping[str, Any]) -> dict[str, Any]:
    """What a table has of accuracies, by the names at the hub."""
    return {
        entry["hub"]: entry["metrics"]
        for entries in networks.values()
        for entry in entries.values()
        if "metrics" in entry
    }


def claimed(results: Path) -> dict[str, Any]:
    """timm's results, by the names at the hub: those on images as an entry prepares them."""
    found = {}
    with open(results, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            config = timm.get_pretrained_cfg(row["model"], allow_unregistered=True)
            if config is None or config.input_size is None:
                continue
            image = config.input_size[1], round(config.crop_pct, 3), config.interpolation
            if image == (int(row["img_size"]), float(row["crop_pct"]), row["interpolation"]):
                top = {"acc@1": float(row["top1"]), "acc@5": float(row["top5"])}
                found[config.hf_hub_id] = {"ImageNet-1K": top}
    return found


def _of_timm(config: Any, metrics: Any) -> dict[str, Any]:
    _, height, width = config.input_size
    assert config.crop_mode in ("center", "squash"), config
    resize = [math.floor(height / config.crop_pct), math.floor(width / config.crop_pct)]
    square = height == width and config.crop_mode == "center"
    return _without_empty(
        {
            "hub": config.hf_hub_id,
            "classes": config.num_classes,
            "metrics": metrics,
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


def read(package: str) -> Any:
    """A table as it is."""
    return json.loads((TABLES / f"{package}.json").read_text(encoding="utf-8"))


def write(package: str, networks: dict[str, Any], **more: str) -> None:
    data = {"package": package, "version": version(package), **more, "networks": networks}
    text = json.dumps(data, indent=1, sort_keys=False) + "\n"
    (TABLES / f"{package}.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Writes both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help="timm's results-imagenet.csv")
    parser.add_argument("--commit", help="of the repository that it is from")
    asked = parser.parse_args()
    if bool(asked.results) != bool(asked.commit):
        parser.error("--results and --commit go together")
    before = read("timm")
    metrics = claimed(asked.results) if asked.results else kept(before["networks"])
    source = f"{RESULTS}@{asked.commit}" if asked.results else before["metrics"]
    write("torchvision", torchvision())
    write("timm", from_timm(metrics), metrics=source)


if __name__ == "__main__":
    main()
