"""The interface of timm's models on a compiled network, which keeps its class and its keys."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from timm.models import FeatureInfo
from timm.models._features import feature_take_indices
from torch import Tensor, device, is_grad_enabled, nn
from torch.utils.checkpoint import checkpoint

from archdsl.analysis.receptive_field import reductions
from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import Graph
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.running import new_module
from archdsl.pytorch.source import emit
from archdsl.timm.parts import Parts

LAST = float("inf")


class TimmModel(nn.Module):
    """What timm asks a model for: to train it, decay by layers, tune it, take features from it.

    `_parts` are networks of their own that share their modules with this one.
    """

    graph: Graph
    num_classes: int
    num_features: int
    head_hidden_size: int
    feature_info: FeatureInfo
    pretrained_cfg: Any
    default_cfg: Any
    _parts: dict[str, nn.Module]
    _classifier: str
    _groups: Mapping[str, tuple[int, int]]
    _blocks: tuple[str, ...]

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map before pooling: `[B, C, H, W]`, tokens `[B, N, C]` of transformers."""
        features: Tensor = self._parts["features"](x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The classes of features; with `pre_logits` what the classifier is given."""
        if pre_logits:
            return self._parts["before"](x) if "before" in self._parts else x
        classes: Tensor = self._parts["head"](x)
        return classes

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The maps of the levels that indices name, behind the last features; norms are theirs."""
        if output_fmt != "NCHW":
            raise UsageError(f"maps are NCHW, not {output_fmt}")
        count = len(self.feature_info.info)
        if not count:
            raise UsageError(
                f"{self.graph.name} has no taps, which are the levels that timm counts"
            )
        taken, _ = feature_take_indices(count, indices)
        *maps, last = self._parts["maps"](x).values()
        ids = [info["module"] for info in self.feature_info.info]
        found = [channels_first(maps[n], self.graph.spec(ids[n])) for n in taken]
        return found if intermediates_only else (last, found)

    def train(self, mode: bool = True) -> "TimmModel":
        super().train(mode)
        for part in self._parts.values():
            part.train(mode)
        return self

    def load_state_dict(self, *given: Any, **named: Any) -> Any:
        found = super().load_state_dict(*given, **named)
        self._share()  # which may have other tensors now
        return found

    def _apply(self, *given: Any, **named: Any) -> Any:
        found = super()._apply(*given, **named)  # type: ignore[no-untyped-call]
        self._share()
        return found

    def _share(self) -> None:
        for part in self._parts.values():
            _share(part, self)

    def get_classifier(self) -> nn.Module:
        return self.get_submodule(self._classifier)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new classifier, or none for 0 classes: the features behind the pooling then."""
        if global_pool not in (None, "avg"):
            raise UsageError(f"the pooling is that of the spec, and cannot be {global_pool!r}")
        old, parent = self.get_classifier(), self._classifier.rpartition(".")[0]
        new: nn.Module = nn.Identity()
        if num_classes:
            tensor = next(iter(self.parameters()))
            wide, bias = self.head_hidden_size, getattr(old, "bias", True) is not None
            new = nn.Linear(wide, num_classes, bias=bias)
            if isinstance(old, nn.Conv2d):
                new = nn.Conv2d(wide, num_classes, old.kernel_size, bias=bias)  # type: ignore[arg-type]
            new = new.to(tensor.device, tensor.dtype)
        setattr(self.get_submodule(parent), self._classifier.rpartition(".")[2], new)
        self.num_classes = num_classes
        self._share()

    def group_matcher(self, coarse: bool = False) -> Callable[[str], tuple[float, ...]]:
        """The place of a parameter, by blocks or by levels, for layer-wise decay."""
        groups = self._groups

        def place(key: str) -> tuple[float, ...]:
            return (groups[key][0 if coarse else 1],) if key in groups else (LAST,)

        return place

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Whether training computes what is within blocks again instead of keeping it."""
        for path in self._blocks:
            block = self.get_submodule(path)
            block.__dict__.pop("forward", None)
            if enable:
                block.__dict__["forward"] = partial(_again, block)

    def no_weight_decay(self) -> set[str]:
        """Tokens, positions and other parameters that no layer's weight or bias is."""
        names = (name for name, _ in self.named_parameters())
        return {name for name in names if name.rpartition(".")[2] not in ("weight", "bias")}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _empty, (type(self).made_of,), self.__dict__  # type: ignore[attr-defined]


class FeatureModel(nn.Module):
    """What timm makes with `features_only=True`: the maps of some levels in a list."""

    feature_info: FeatureInfo
    output_fmt = "NCHW"

    graph: Graph

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: dict[str, Tensor] = super().forward(x)
        outputs = self.graph.outputs
        return [channels_first(x, self.graph.spec(outputs[name])) for name, x in maps.items()]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        if enable:
            raise UsageError("a model of features keeps what it computes: create the whole one")

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _empty, (type(self).made_of,), self.__dict__  # type: ignore[attr-defined]


def channels_first(x: Tensor, spec: TensorSpec) -> Tensor:
    """A map as timm has them: those of windows have their channels last."""
    return x.movedim(-1, 1) if spec.layout == "channels_last" else x


Made = tuple[type[nn.Module], str, str]  # the interface, the network's source and name


def _share(part: nn.Module, whole: nn.Module) -> None:
    """Puts the whole's modules in the places that they have in a part of it, and its parameters.

    What has lost a child in the part stays the part's own: a row of modules that is cut.
    """
    part.training = whole.training
    part._parameters.update({name: whole._parameters[name] for name in part._parameters})
    part._buffers.update({name: whole._buffers[name] for name in part._buffers})
    for name in part._modules:
        ours, theirs = part.get_submodule(name), whole.get_submodule(name)
        if ours is theirs or _like(ours) == _like(theirs) or not ours._modules:
            part._modules[name] = theirs
        else:
            _share(ours, theirs)


def _like(module: nn.Module) -> tuple[str, list[str]]:
    """Its class and the paths in it: what has both runs as the other."""
    return type(module).__name__, [path for path, _ in module.named_modules()]


def _again(block: nn.Module, *given: Any) -> Any:
    forward = type(block).forward.__get__(block)
    if not (block.training and is_grad_enabled()):
        return forward(*given)
    return checkpoint(forward, *given, use_reentrant=False)


@cache
def _class_of(made_of: Made) -> type[nn.Module]:
    """A model's class: the network's, with the interface."""
    interface, source, name = made_of
    base = type(on_meta(source, name))
    return type(base.__name__, (interface, base), {"made_of": made_of})


def on_meta(source: str, name: str) -> nn.Module:
    with device("meta"):
        return new_module(source, name)


def _empty(made_of: Made) -> Any:
    cls = _class_of(made_of)
    return cls.__new__(cls)


def as_model(module: nn.Module, graph: Graph) -> TimmModel:
    """A compiled classifier as a model of timm: the same module, of a class with the interface."""
    parts = Parts(graph)
    maps = {tap: graph.taps[tap] for tap in parts.levels} | {"": parts.cut}
    if len(maps) > 1:
        maps = {name or "last": id for name, id in maps.items()}
    made = {"features": parts.features, "head": parts.head, "maps": graph.select(maps)}
    before = parts.before_classifier
    made |= {} if before is None else {"before": before}
    module.__class__ = _class_of((TimmModel, emit(graph), graph.name))
    assert isinstance(module, TimmModel)
    module.__dict__["_parts"] = {n: on_meta(emit(part), part.name) for n, part in made.items()}
    module._share()
    module._classifier = parts.classifier.path
    module.head_hidden_size = graph.specs(parts.classifier)[0].channels
    module.num_features = graph.spec(parts.cut).channels
    module.num_classes = parts.classifier.output.channels
    module.feature_info = feature_info(graph, parts.levels)
    module._groups = _groups(graph, parts)
    blocks = dict.fromkeys(graph.block_around(node.scope) for node in graph.nodes)
    module._blocks = tuple([path for path in blocks if path])
    return module


def as_features(module: nn.Module, graph: Graph, names: list[str]) -> FeatureModel:
    """A compiled backbone that gives its maps in a list."""
    module.__class__ = _class_of((FeatureModel, emit(graph), graph.name))
    assert isinstance(module, FeatureModel)
    module.feature_info = feature_info(graph, names)
    return module


def feature_info(graph: Graph, levels: list[str]) -> FeatureInfo:
    """timm's account of the levels: channels, reduction, the module that gives each."""
    reduced = reductions(graph, [graph.taps[tap] for tap in levels])
    found = [
        {
            "num_chs": graph.spec(graph.taps[tap]).channels,
            "reduction": reduced[graph.taps[tap]],
            "module": graph.taps[tap],
        }
        for tap in levels
    ]
    return FeatureInfo(found, out_indices=tuple(range(len(found))))


def _groups(graph: Graph, parts: Parts) -> dict[str, tuple[int, int]]:
    """The level and the block of every parameter, counted in the order in which they run."""
    levels = {graph.taps[tap] for tap in parts.levels}
    level, block, last = 0, -1, None
    found: dict[str, tuple[int, int]] = {}
    for node in graph.nodes:
        if node.weights and node is not parts.classifier:
            now = graph.block_around(node.scope) or node.path.partition(".")[0]
            block, last = block + (now != last), now
            for key, _ in graph.weights(node):
                found.setdefault(key, (level, block))
        level += node.id in levels
    return found
