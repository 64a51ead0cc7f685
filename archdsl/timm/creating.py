"""What `timm.create_model` does for a spec."""

import os
from dataclasses import replace
from typing import Any

from timm.models import PretrainedCfg, resolve_pretrained_cfg
from timm.models._features import feature_take_indices
from torch import nn

from archdsl.api import compile
from archdsl.api.reading import load
from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import Graph
from archdsl.timm.model import FeatureModel, TimmModel, as_features, as_model
from archdsl.timm.parts import Parts, single
from archdsl.weights.adapting import stems
from archdsl.weights.given import load_given
from archdsl.weights.published import published

RENAMED = {"drop_rate": "dropout", "drop_path_rate": "drop_path", "num_classes": "classes"}


def create(
    spec: str | os.PathLike[str],
    name: str,
    pretrained: bool = False,
    pretrained_cfg: Any = None,
    pretrained_cfg_overlay: dict[str, Any] | None = None,
    cache_dir: str | None = None,
    features_only: bool = False,
    out_indices: Any = None,
    in_chans: int | None = None,
    global_pool: str | None = None,
    output_stride: int | None = None,
    num_classes: int | None = None,
    **params: Any,
) -> TimmModel | FeatureModel:
    """A model of timm from a spec; what it does not know is a parameter of the spec.

    `drop_rate` and `drop_path_rate` are the spec's `dropout` and `drop_path`. Raises UsageError for
    what the spec does not have.
    """
    if global_pool not in (None, "avg"):
        raise UsageError(f"the pooling is that of the spec, and cannot be {global_pool!r}")
    said = {RENAMED.get(key, key): value for key, value in params.items()}
    if num_classes:
        said["classes"] = num_classes
    shape = None
    if in_chans not in (None, 3):
        shape = [in_chans, *load(spec).input.shape[1:]]
    graph = single(load(spec, params=said, output_stride=output_stride, input=shape))
    model: TimmModel | FeatureModel
    model = _features(graph, out_indices) if features_only else as_model(compile(graph), graph)
    config = resolve_pretrained_cfg(
        name, pretrained_cfg=pretrained_cfg, pretrained_cfg_overlay=pretrained_cfg_overlay
    )
    config = _completed(config, model, graph)
    if pretrained:
        _load(model, graph, config, bool(num_classes), in_chans)
    model.pretrained_cfg = model.default_cfg = config.to_dict()  # type: ignore[no-untyped-call]
    if num_classes == 0 and isinstance(model, TimmModel):
        model.reset_classifier(0)
    return model


def _features(graph: Graph, out_indices: Any) -> FeatureModel:
    levels = Parts(graph).levels
    if not levels:
        raise UsageError(f"{graph.name} has no maps with names (`tap`), which features are")
    taken, _ = feature_take_indices(len(levels), out_indices)
    names = [levels[n] for n in taken]
    module = compile(graph, features=names)
    return as_features(module, module.graph, names)


def _completed(config: PretrainedCfg, model: nn.Module, graph: Graph) -> PretrainedCfg:
    """The configuration with what the network says: its size, first layers and classifier."""
    said: dict[str, Any] = {"input_size": graph.input.shape} if not config.has_weights else {}
    first = [key for key in graph.state if key in stems(graph) and len(graph.state[key].shape) > 2]
    said |= {"first_conv": first[0].rpartition(".")[0]} if first else {}
    if isinstance(model, TimmModel):
        said["classifier"] = model._classifier
        said |= {} if config.has_weights else {"num_classes": model.num_classes}
    return replace(config, **said)


def _load(
    model: nn.Module, graph: Graph, config: PretrainedCfg, classes: bool, channels: int | None
) -> None:
    """Loads a file that is named, or the published weights of the configuration's tag."""
    adapt = (["classes"] if classes else []) + (["channels"] if channels not in (None, 3) else [])
    if config.file:
        load_given(model, config.file, adapt=adapt)
        return
    found = [one for one in published(graph) if one.entry == config.tag]
    if not found:
        raise UsageError(f"no published weights of {graph.name} are known")
    load_given(model, found[0].name, adapt=adapt)
