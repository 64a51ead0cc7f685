"""Specs as models of timm: `register()`, then `timm.create_model("archdsl_resnet50")`."""

from archdsl.timm.registry import register

__all__ = ["register"]
