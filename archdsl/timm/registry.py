"""Specs among the models that `timm.create_model` knows."""

import os
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from archdsl.diagnostics.packages import require
from archdsl.language import gallery
from archdsl.language.keys import PublishedForm
from archdsl.weights.published import table, tables

PREFIX = "archdsl_"
MODULE = "archdsl_models"  # timm files models under the module of their function


def register(*specs: str | os.PathLike[str]) -> list[str]:
    """Makes specs known to `timm.create_model`, by name or path; without any, the whole gallery.

    `resnet50` becomes `archdsl_resnet50`, and `archdsl_resnet50.a1_in1k` with published weights.
    Gives the names.
    """
    require("archdsl.timm", "timm")
    from timm.models import generate_default_cfgs, register_model

    module = sys.modules.setdefault(MODULE, ModuleType(MODULE))
    names = []
    for spec in specs or gallery.every():
        stem = os.path.splitext(os.path.basename(gallery.find(spec)))[0]
        name = f"{PREFIX}{stem}"
        configs: dict[str, Any] = {
            f"{name}.{tag}" if tag else name: config for tag, config in _configs(stem)
        }
        known = getattr(module, "default_cfgs", {})
        module.default_cfgs = {**known, **generate_default_cfgs(configs)}  # type: ignore[attr-defined]
        if name not in vars(module):
            setattr(module, name, register_model(_function(spec, name)))
        names.append(name)
    return names


def _configs(network: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """The configurations of published weights, or one that says that there are none."""
    found = {
        entry: config_of(form)
        for source in tables()
        for entry, form in table(source).get(network, {}).items()
    }
    return found.items() if found else [("", {})]


def config_of(form: PublishedForm) -> dict[str, Any]:
    """An entry as timm's configuration has it."""
    config: dict[str, Any] = {"url": form.url or "", "license": form.licence}
    if form.hub:
        config["hf_hub_id"] = form.hub
    if form.classes is not None:
        config["num_classes"] = form.classes
    image = form.preprocess
    if image is not None and image.crop:
        size = image.resize if isinstance(image.resize, int) else (image.resize or image.crop)[0]
        config |= {
            "input_size": (3, *image.crop),
            "crop_pct": image.crop[0] / size,
            "interpolation": image.interpolation,
            "mean": (0.5,) * 3 if image.transform_input else tuple(image.mean),
            "std": (0.5,) * 3 if image.transform_input else tuple(image.std),
        }
    return config


def _function(spec: str | os.PathLike[str], name: str) -> Callable[..., Any]:
    def create(pretrained: bool = False, **given: Any) -> Any:
        from archdsl.timm.creating import create

        return create(spec, name, pretrained, **given)

    create.__name__ = create.__qualname__ = name
    create.__module__ = MODULE
    create.__doc__ = f"The network of the spec {spec}."
    return create
