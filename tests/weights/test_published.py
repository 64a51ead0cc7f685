"""Published weights: the tables are torchvision's and timm's own, and their files fit."""

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from torch import nn
from torchvision import models

import archdsl
from archdsl.cli import main as cli
from archdsl.graph.renames import Renames
from archdsl.language.gallery import every
from archdsl.language.keys import PublishedForm
from archdsl.weights.ancestry import Target
from archdsl.weights.loading import _in_training
from archdsl.weights.matching import Wanted, match
from archdsl.weights.preprocess import transform_of
from archdsl.weights.published import TABLES, find, published, table, unlike
from archdsl.weights.reading import Held
from tests import built

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))
import published as made_from  # noqa: E402 - docs/published.py

AT_TORCHVISION = sorted(set(models.list_models()) & set(every()))


def entries() -> list[Any]:
    return [(name, one) for name in AT_TORCHVISION for one in models.get_model_weights(name)]


def test_every_network_that_torchvision_has_weights_of_has_all_of_them() -> None:
    assert len(AT_TORCHVISION) > 80
    assert table("torchvision").keys() == set(AT_TORCHVISION)
    for name in AT_TORCHVISION:
        theirs, ours = models.get_model_weights(name), table("torchvision")[name]
        assert ours.keys() == {one.name for one in theirs}
        assert next(iter(ours)) == theirs.DEFAULT.name, "the default comes first"


@pytest.mark.parametrize(("name", "weights"), entries(), ids=str)
def test_an_entry_is_as_torchvision_says(name: str, weights: Any) -> None:
    form, meta = table("torchvision")[name][weights.name], weights.meta
    assert form.url == weights.url
    digest = re.search(r"-([0-9a-f]{8,})\.pth$", weights.url)
    assert digest
    assert form.sha256 == digest[1]
    assert form.metrics == ({} if name == "vgg16" and not meta["categories"] else meta["_metrics"])
    assert (form.classes or 0) == len(meta["categories"] or ())
    assert (form.megabytes, form.licence) == (meta["_file_size"], meta.get("license"))
    assert form.preprocess is not None


CLAIMED = {  # copied from results/results-imagenet.csv of timm's repository
    ("resnet50", "a1_in1k"): (80.382, 94.598),
    ("convnext_tiny", "fb_in1k"): (82.066, 95.854),
    ("mobilenet_v2", "ra_in1k"): (72.91, 91.0),
    ("vgg16", "tv_in1k"): (71.594, 90.398),
}


def test_an_entry_of_timm_has_what_its_results_say() -> None:
    for (name, entry), numbers in CLAIMED.items():
        metrics = table("timm")[name][entry].metrics
        assert metrics == {"ImageNet-1K": dict(zip(("acc@1", "acc@5"), numbers, strict=True))}
    for entries in table("timm").values():
        for form in entries.values():
            assert bool(form.metrics) == (form.classes == 1000), "other classes have no results"


def test_timms_results_of_torchvisions_weights_are_near_what_torchvision_says() -> None:
    both = [name for name in table("timm") if "tv_in1k" in table("timm")[name]]
    assert len(both) > 15
    for name in both:
        ours, theirs = (
            table(source)[name][entry].metrics["ImageNet-1K"]
            for source, entry in (("timm", "tv_in1k"), ("torchvision", "IMAGENET1K_V1"))
        )
        for metric in ("acc@1", "acc@5"):
            assert abs(float(ours[metric]) - float(theirs[metric])) < 0.5, name


def presets() -> dict[str, tuple[str, Any]]:
    """One entry of every way in which images are prepared."""
    found: dict[str, tuple[str, Any]] = {}
    for name, weights in entries():
        form = table("torchvision")[name][weights.name].preprocess
        within = name in models.list_models(module=models.detection)  # the network does it there
        if form is not None and not within and not form.transform_input:
            found.setdefault(str(form), (name, weights))
    return {f"{name}-{weights.name}": (name, weights) for name, weights in found.values()}


@pytest.mark.parametrize("entry", presets())
def test_images_are_prepared_as_by_torchvision(entry: str) -> None:
    name, weights = presets()[entry]
    form = table("torchvision")[name][weights.name].preprocess
    assert form is not None
    values = torch.randint(256, (2, 3, 61, 87), dtype=torch.uint8, generator=seeded())
    transform, theirs = transform_of(form), weights.transforms()
    inputs: list[Any] = [values]
    if not form.frames:
        inputs += [values[0], Image.fromarray(values[0].permute(1, 2, 0).numpy())]
    for given in inputs:
        ours, expected = transform(given), theirs(given)
        assert type(ours) is torch.Tensor
        assert ours.shape == expected.shape
        assert torch.allclose(ours, expected, atol=1e-6 / min(form.std))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", ["retinanet_resnet50_fpn", "ssd300_vgg16"])
def test_images_of_a_detector_are_prepared_as_within_torchvisions(name: str) -> None:
    form = table("torchvision")[name]["COCO_V1"].preprocess
    assert form is not None
    with torch.device("meta"):
        made: Any = models.get_model(name, weights=None, weights_backbone=None)
    within = made.transform.eval()
    for size in ((61, 87), (40, 200)):
        image = torch.randint(256, (3, *size), dtype=torch.uint8, generator=seeded())
        expected = within([image / 255])[0].tensors[0]
        ours = transform_of(form)(image)
        height, width = ours.shape[1:]
        off = (ours - expected[:, :height, :width]) * torch.tensor(form.std)[:, None, None]
        assert off.abs().max() < 1e-5  # of values from 0 to 1
        assert max(expected[:, height:].abs().sum(), expected[:, :, width:].abs().sum()) == 0


@pytest.mark.parametrize(("name", "size"), [("googlenet", 64), ("inception_v3", 80)])
def test_weights_that_want_another_normalisation_get_it(name: str, size: int) -> None:
    form = table("torchvision")[name]["IMAGENET1K_V1"].preprocess
    assert form is not None
    assert form.transform_input
    torch.manual_seed(0)
    given = {"transform_input": True, "aux_logits": False}
    theirs = models.get_model(name, init_weights=True, **given).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    theirs.train()(torch.randn(4, 3, 80, 80))  # statistics, so that the numbers stay sane
    theirs.eval()
    ours = archdsl.compile(name).eval()
    archdsl.load_weights(ours, theirs.state_dict())
    image = torch.randint(256, (1, 3, size, size), dtype=torch.uint8, generator=seeded())
    theirs_form = models.get_model_weights(name).DEFAULT.transforms()
    with torch.no_grad():
        found = ours(transform_of(form)(image))
        expected = theirs(theirs_form(image))
        other = ours(theirs_form(image))
    scale = expected.abs().max()
    assert (found - expected).abs().max() < 5e-3 * scale
    assert (other - expected).abs().max() > 5e-2 * scale


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(model.state_dict())


def require_fit(name: str, source: str, theirs: dict[str, torch.Tensor]) -> None:
    ours, renames = built.module(name), built.graph(name).renames
    target = Target("", {key: key for key in ours.state_dict()})
    extra = _in_training(built.graph(name))
    held = Held(theirs)
    names = renames.get(source, Renames())
    found = match(source, held.tensors, target, names, Wanted(ours.state_dict(), extra=extra))
    assert not found.wrong, (found.missing[:3], found.over[:3], found.shapes[:3])


@pytest.mark.parametrize("name", built.quick())
def test_what_a_table_has_of_a_network_has_its_tensors(name: str) -> None:
    with torch.device("meta"):
        if name in table("torchvision"):
            dense = name in models.segmentation.__dict__
            given = {"aux_loss": True} if dense and not name.startswith("lraspp") else {}
            given |= {"weights_backbone": None} if dense or "_fpn" in name else {}
            given |= {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
            if not name.startswith("regnet"):  # which look into tensors of the meta device
                theirs = models.get_model(name, weights=None, **given)
                require_fit(name, "torchvision", state(theirs))
        if name in table("timm"):
            require_fit(
                name, "timm", state(timm.create_model(made_from.NAMES_AT_TIMM.get(name, name)))
            )


# what a spec finds


def names_of(spec: Any) -> list[str]:
    graph = spec if isinstance(spec, archdsl.Graph) else archdsl.load(spec)
    return [one.name for one in published(graph)]


def test_a_network_of_another_depth_has_weights_of_its_own_only() -> None:
    assert "torchvision/IMAGENET1K_V2" in names_of("resnet101")
    assert {one.network for one in published(archdsl.load("resnet101"))} == {"resnet101"}
    assert names_of("unet") == []


def test_a_detector_has_its_own_first_and_those_of_its_backbone() -> None:
    graph = archdsl.load("retinanet_resnet50_fpn")
    assert names_of(graph)[0] == "torchvision/COCO_V1"
    assert find(graph, "torchvision").network == "retinanet_resnet50_fpn"
    assert find(graph, "torchvision/IMAGENET1K_V1").network == "resnet50"


def test_a_spec_of_ones_own_has_those_of_what_it_extends_and_its_own(tmp_path: Path) -> None:
    text = "archdsl: 1\nextends: resnet18\nname: mine\nhead: {fc: {conv: {out: 2, kernel: 1}}}\n"
    text += "weights: {lab: {entries: {first: {url: 'http://localhost/a.pth', classes: 2}}}}\n"
    (tmp_path / "mine.yaml").write_text(text)
    found = names_of(tmp_path / "mine.yaml")
    assert found[:2] == ["lab/first", "torchvision/IMAGENET1K_V1"]
    assert "timm/a1_in1k" in found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torchvison", "no such published weights of resnet18; did you mean `torchvision`"),
        ("torchvision/IMAGENET1K_V2", "did you mean `torchvision/IMAGENET1K_V1`"),
        ("weights", "no file weights, and no such published weights of resnet18"),
        ("missing.pth", "no file missing.pth"),
    ],
)
def test_a_name_that_is_none_is_told_what_there_is(name: str, said: str) -> None:
    with pytest.raises(archdsl.UsageError, match=said):
        archdsl.compile("resnet18", weights=name)


def test_what_differs_from_the_published_network_is_said() -> None:
    assert unlike(archdsl.load("resnet50"), "resnet50") == []
    assert unlike(archdsl.load("resnet50", params={"classes": 10}), "resnet50") == []
    changed = unlike(archdsl.load("resnet50", params={"stride_first": True}), "resnet50")
    assert changed[0] == "layer2.0.conv1.stride is 2 for 1"
    silu = unlike(archdsl.load("resnet50", replace={"relu": "silu"}), "resnet50")
    assert (silu[0], silu[-1]) == ("relu is silu for relu", "and 45 more")


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["weights", "googlenet"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"torchvision/IMAGENET1K_V1 +googlenet +1000 +224 +69.778 acc@1", out)
    assert cli.run(["weights", "r3d_18", "--format", "json"]) == 0
    form = json.loads(capsys.readouterr().out)[0]
    assert (form["name"], form["preprocess"]["frames"]) == ("torchvision/KINETICS400_V1", True)
    assert cli.run(["weights", "unet"]) == 0
    assert capsys.readouterr().out == "no published weights of unet are known\n"


@pytest.mark.slow
@pytest.mark.parametrize("source", ["torchvision", "timm"])
def test_the_tables_are_what_the_script_makes_of_the_packages(source: str) -> None:
    written = json.loads((TABLES / f"{source}.json").read_text(encoding="utf-8"))
    if written["version"] != version(source):
        pytest.skip(f"made from {source} {written['version']}")
    networks = written["networks"]
    made = (
        made_from.torchvision()
        if source == "torchvision"
        else made_from.from_timm(made_from.kept(networks))
    )
    assert networks == json.loads(json.dumps(made))


def test_an_entry_of_a_spec_is_held_to_its_form() -> None:
    text = "archdsl: 1\nname: n\ninput: [3, 8, 8]\nbackbone: [relu]\n"
    with pytest.raises(archdsl.SpecError, match="unknown key `uri`"):
        archdsl.loads(text + "weights: {lab: {entries: {first: {uri: a}}}}\n")
    graph = archdsl.loads(text + "weights: {lab: {entries: {first: {classes: 3}}}}\n")
    assert find(graph, "lab").form == PublishedForm(classes=3)
    with pytest.raises(archdsl.UsageError, match="lab/first says neither `url` nor `hub`"):
        archdsl.compile(graph, weights="lab")
