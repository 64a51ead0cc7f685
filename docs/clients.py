"""Networks of the gallery in other people's packages: python docs/clients.py [NETWORK...]

Runs every client with every network, and writes to `clients.json`, from which the table of
`ecosystem.md` is made, whether it works or what was said. It goes on where it was stopped; networks
that are named are tried again. Images are small where the network allows it, weights random.
"""

import argparse
import copy
import pickle
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from kept import keep, smallest
from torch import Tensor, nn
from torch.nn import functional

import archdsl
import archdsl.timm

DOCS = Path(__file__).parent
PACKAGES = ("torch", "torchvision", "timm", "segmentation_models_pytorch", "lightning",
            "huggingface_hub")  # fmt: skip
NETWORKS = (  # kinds that differ: classifiers of many forms, of small images, pyramids, maps
    "vgg11_bn", "resnet18", "resnet20_cifar10", "densenet121", "googlenet", "squeezenet1_1",
    "mobilenet_v3_small", "efficientnet_b0", "repvgg_a0", "hrnet_w18", "convnext_tiny", "vit_b_16",
    "swin_t", "resnet50_fpn", "retinanet_resnet50_fpn", "unet", "unet_resnet34",
    "deeplabv3_resnet50", "poolformer_s12", "ghostnet_100", "yolov8n",
)  # fmt: skip


class Trial:
    """A network that clients are given: its name, its graph for a small image, its levels."""

    def __init__(self, name: str) -> None:
        self.name, self.graph = name, smallest(archdsl.load(name))
        strides = {tap: self.graph.spec(id) for tap, id in self.graph.taps.items()}
        self.levels = [tap for tap, spec in strides.items() if spec.rank == 2]

    def image(self, count: int = 2) -> Tensor:
        return torch.rand(count, *self.graph.input.shape)

    def features(self, names: dict[str, str], **changes: Any) -> nn.Module:
        """The network as a backbone, made from its name as anyone would."""
        return archdsl.compile(self.name, features=names, **changes)

    @property
    def last(self) -> str:
        """The smallest of its maps that have a name."""
        if not self.levels:
            raise LookupError("no map of it has a name to be asked for by")
        return min(self.levels, key=lambda tap: self.graph.spec(self.graph.taps[tap]).spatial)


def tensors(result: Any) -> list[Tensor]:
    """All that a network gives, in whatever it gives it."""
    if isinstance(result, Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [tensor for part in parts if part is not None for tensor in tensors(part)]


def learned(model: nn.Module) -> None:
    """Raises if a step has left a trainable weight without a finite gradient."""
    for path, weight in model.named_parameters():
        if weight.grad is not None and not torch.isfinite(weight.grad).all():
            raise ArithmeticError(f"the gradient of {path} is not finite")
    if not any(weight.grad is not None for weight in model.parameters()):
        raise ArithmeticError("nothing has a gradient")


# the clients


def timm_training(trial: Trial) -> None:
    """What timm's training script asks of a model: layer decay, checkpoints, a new head."""
    import timm
    from timm.optim import create_optimizer_v2

    archdsl.timm.register(trial.name)
    model = timm.create_model(f"archdsl_{trial.name}", num_classes=7)
    model.set_grad_checkpointing()
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, layer_decay=0.7)
    result = tensors(model.train()(trial.image()))[0]
    functional.cross_entropy(result, torch.tensor([1, 2])).backward()
    optimizer.step()
    learned(model)
    model.eval().reset_classifier(3)
    features = model.forward_features(trial.image())
    require(model.forward_head(features).shape == (2, 3), "the new head has another shape")


def timm_features(trial: Trial) -> None:
    """`features_only=True`, as timm's detectors and segmentation networks make it."""
    import timm

    archdsl.timm.register(trial.name)
    model = timm.create_model(f"archdsl_{trial.name}", features_only=True)
    maps = model.eval()(trial.image())
    found, wanted = [x.shape[1] for x in maps], model.feature_info.channels()
    require(found == wanted and len(maps) > 1, f"maps of {found} channels, {wanted} were said")


def detectors(trial: Trial) -> None:
    """torchvision's Faster and Mask R-CNN, RetinaNet and FCOS learn from a box and find some."""
    from torchvision.models import detection
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    names = pyramid(trial)
    sizes = tuple((8 * 2**n,) for n in range(len(names)))
    three, one = (AnchorGenerator(sizes, (r,) * len(names)) for r in ((0.5, 1.0, 2.0), (1.0,)))
    pools = {"box_roi_pool": MultiScaleRoIAlign(names, 7, 2)}
    masks = {**pools, "mask_roi_pool": MultiScaleRoIAlign(names, 14, 2)}
    made: list[tuple[Any, dict[str, Any]]] = [
        (detection.FasterRCNN, {"rpn_anchor_generator": three, **pools}),
        (detection.MaskRCNN, {"rpn_anchor_generator": three, **masks}),
        (detection.RetinaNet, {"anchor_generator": three}),
        (detection.FCOS, {"anchor_generator": one}),
    ]
    side = min(trial.graph.input.spatial)
    for kind, settings in made:
        backbone = trial.features({name: name for name in names})
        channels = trial.graph.input.channels
        size = {"min_size": side, "max_size": side, "num_classes": 3}
        size |= {"image_mean": [0.5] * channels, "image_std": [0.25] * channels}
        detect(kind(backbone, **size, **settings), trial.image(1)[0])


def pyramid(trial: Trial) -> list[str]:
    """The maps that detectors are given: those of a pyramid, all as wide, or the last one."""
    levels = [tap for tap in trial.levels if tap.startswith("p")]
    wide = {trial.graph.spec(trial.graph.taps[tap]).channels for tap in levels}
    return levels if len(wide) == 1 else [trial.last]


def detect(model: nn.Module, image: Tensor) -> None:
    """One step on a box, then an answer."""
    high, wide = image.shape[1:]
    box = torch.tensor([[4.0, 4.0, wide * 0.7, high * 0.7]])
    masks = torch.ones(1, high, wide, dtype=torch.uint8)
    losses = model.train()([image], [{"boxes": box, "labels": torch.tensor([1]), "masks": masks}])
    sum(losses.values()).backward()
    learned(model)
    with torch.no_grad():
        require({"boxes", "scores"} <= model.eval()([image])[0].keys(), "no boxes come out")


def segmentation(trial: Trial) -> None:
    """torchvision's DeepLabV3 on the network at an output stride of 8."""
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3

    backbone = trial.features({"out": trial.last}, output_stride=8)
    channels = backbone.feature_info["out"]["channels"]
    found = DeepLabV3(backbone, DeepLabHead(channels, 5)).eval()(trial.image())
    want = (2, 5, *trial.graph.input.spatial)
    require(found["out"].shape == want, f"a map of {tuple(found['out'].shape)}")


def smp(trial: Trial) -> None:
    """segmentation_models_pytorch's U-Net with the network as its encoder."""
    import segmentation_models_pytorch

    archdsl.timm.register(trial.name)
    channels = trial.graph.input.channels
    model = segmentation_models_pytorch.Unet(
        f"tu-archdsl_{trial.name}", encoder_weights=None, in_channels=channels, classes=2
    )
    found = model.eval()(trial.image())
    require(found.shape[-2:] == trial.image().shape[-2:], f"a map of {tuple(found.shape)}")


def lightning(trial: Trial) -> None:
    """A step of Lightning's trainer."""
    from lightning import LightningModule, Trainer

    class Training(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = archdsl.compile(trial.graph)

        def training_step(self, batch: Tensor, _: int) -> Tensor:
            return sum((x.float() - 1).square().mean() for x in tensors(self.model(batch)))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 1e-4)

    quiet = {"logger": False, "enable_model_summary": False, "enable_progress_bar": False}
    trainer = Trainer(fast_dev_run=True, accelerator="cpu", **quiet)
    model = Training()
    before = [weight.clone() for weight in model.parameters()]
    trainer.fit(model, torch.utils.data.DataLoader([*trial.image(2)], batch_size=2))
    after = [*model.parameters()]
    require(any(not torch.equal(*pair) for pair in zip(before, after, strict=True)), "no step")


def torch_hub(trial: Trial) -> None:
    """`torch.hub.load` from a clone of the repository."""
    model = torch.hub.load(str(DOCS.parent), trial.name, source="local")
    require(model.state_dict().keys() == trial.graph.state.keys(), "it has other weights")


def hugging_face(trial: Trial) -> None:
    """What is saved for the Hugging Face Hub comes back with its outputs."""
    model = archdsl.compile(trial.graph).eval()
    with tempfile.TemporaryDirectory() as folder:
        archdsl.save_pretrained(model, folder)
        again = archdsl.from_pretrained(folder).eval()
    same(trial, model, again)


def copied(trial: Trial) -> None:
    """`copy.deepcopy` and pickle."""
    model = archdsl.compile(trial.graph).eval()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        same(trial, model, again)


def fx(trial: Trial) -> None:
    """`torch.fx.symbolic_trace`."""
    model = archdsl.compile(trial.graph).eval()
    same(trial, model, torch.fx.symbolic_trace(model))


def exported(trial: Trial) -> None:
    """`torch.export.export`."""
    model = archdsl.compile(trial.graph).eval()
    same(trial, model, torch.export.export(model, (trial.image(),)).module())


def script(trial: Trial) -> None:
    """`torch.jit.script`."""
    model = archdsl.compile(trial.graph).eval()
    same(trial, model, torch.jit.script(model))


@torch.no_grad()
def same(trial: Trial, model: nn.Module, other: nn.Module) -> None:
    """Raises where two modules give different numbers."""
    image = trial.image()
    pairs = zip(tensors(model(image)), tensors(other(image)), strict=True)
    require(all(torch.allclose(a, b, atol=1e-5) for a, b in pairs), "it gives other numbers")


def require(good: bool, why: str) -> None:
    if not good:
        raise AssertionError(why)


CLIENTS: dict[str, Callable[[Trial], None]] = {
    "timm, training": timm_training,
    "timm, features": timm_features,
    "torchvision, detectors": detectors,
    "torchvision, DeepLabV3": segmentation,
    "smp, U-Net": smp,
    "Lightning": lightning,
    "torch.hub": torch_hub,
    "Hugging Face Hub": hugging_face,
    "copy, pickle": copied,
    "torch.fx": fx,
    "torch.export": exported,
    "torch.jit.script": script,
}


def tried(name: str) -> dict[str, str]:
    """By client "" where it works, or what was said."""
    trial, row = Trial(name), {}
    for client, run in CLIENTS.items():
        torch.manual_seed(0)
        try:
            with warnings.catch_warnings(action="ignore"):
                run(trial)
            row[client] = ""
        except ImportError:
            raise  # a package is missing, which says nothing of the network
        except archdsl.SpecError as error:
            row[client] = str(error).splitlines()[0]
        except Exception as error:  # of any client
            said = " ".join(str(error).split()) or type(error).__name__
            row[client] = said if isinstance(error, archdsl.UsageError) else said[:160]
        print(f"{name}, {client}: {row[client] or 'works'}", flush=True)
    return row


def main() -> None:
    """Tries what is named, or all that has not been tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=[])
    asked = parser.parse_args()
    keep(DOCS / "clients.json", NETWORKS, asked.networks, tried, PACKAGES)


if __name__ == "__main__":
    main()
