"""Makes the figures of this folder and the page that shows them: `python docs/figures/generate.py`.

A test holds what is here to what this makes.
"""

import shlex
import sys
from pathlib import Path

from archdsl.cli import main as cli

HERE = Path(__file__).parent
FIGURES: dict[str, list[tuple[str, str]]] = {  # section: what a figure shows, its command
    "hero": [
        ("ResNet-50, for a figure across two columns", "resnet50 --width double"),
        ("GoogLeNet", "googlenet"),
        ("Inception-v3", "inception_v3"),
        ("RetinaNet: stages that are no line", "retinanet_resnet50_fpn"),
        ("MobileNetV2, in the theme grey", "mobilenet_v2 --width double --theme grey"),
        ("EfficientNet-B0", "efficientnet_b0"),
        ("ResNet-18 in a single column", "resnet18 --width single"),
        ("ViT-B/16, in the theme dark", "vit_b_16 --theme dark"),
    ],
    "strip": [
        ("VGG-16", "vgg16 --kind strip"),
        ("DenseNet-121", "densenet121 --kind strip"),
        ("Swin-T with its costs", "swin_t --kind strip --show names,shapes,params,macs"),
        ("Pre-activation ResNet-1001", "preresnet1001_cifar10 --kind strip"),
    ],
    "block": [
        ("ResNet-50", "resnet50 --kind block"),
        ("Inception-v3", "inception_v3 --kind block"),
        ("Inception-v4", "inception_v4 --kind block --width double"),
        ("MobileNetV2", "mobilenet_v2 --kind block"),
        ("EfficientNet-B0", "efficientnet_b0 --kind block"),
        ("DenseNet-121", "densenet121 --kind block"),
    ],
    "columns": [
        ("VGG-19, ResNet-34 and ResNet-50", "vgg19 resnet34 resnet50 --kind columns"),
        (
            "GoogLeNet, MobileNetV2 and DenseNet-121",
            "googlenet mobilenet_v2 densenet121 --kind columns",
        ),
    ],
    "dense": [
        ("A block of DenseNet-121", "densenet121 --kind dense"),
        ("All its layers, with a bus", "densenet121 --kind dense --fold 6"),
    ],
    "pyramid": [
        ("U-Net", "unet --kind pyramid"),
        ("A feature pyramid on ResNet-50", "resnet50_fpn --kind pyramid"),
        ("RetinaNet", "retinanet_resnet50_fpn --kind pyramid --width double"),
        ("Faster R-CNN", "fasterrcnn_resnet50_fpn --kind pyramid --width double"),
    ],
    "table": [
        ("ResNets", "resnet18 resnet34 resnet50 resnet101 --kind table"),
    ],
    "scaling": [
        (
            "EfficientNet",
            "efficientnet_b0 efficientnet_b1 efficientnet_b3 efficientnet_b5 --kind scaling",
        ),
        ("ResNets", "resnet18 resnet34 resnet50 resnet101 resnet152 --kind scaling"),
    ],
    "graph": [
        (
            "Every op, for debugging; placed by Graphviz, or as text: here Mermaid",
            "resnet18 --kind graph --only layer2.0",
        ),
    ],
    "diff": [
        ("ResNet-50 and ResNet-50-D", "resnet50 resnet50d --kind diff"),
    ],
}
TEXTS = {"table": "md", "graph": "mmd"}  # sections that are text, and its suffix
PREFACE = """\
# Figures

What `archdsl draw` makes, a command under each. `-o` chooses the format by its suffix: `svg`,
`pdf`, `png`, `tex` (TikZ, in the font of the paper that inputs it). The page is written by
`docs/figures/generate.py`.
"""


def name_of(command: str) -> str:
    """The file of a figure, from its command."""
    words = [word for word in shlex.split(command) if word not in ("--kind", "--width", "--theme")]
    stems = [Path(word).stem for word in words if not word.startswith("--")]
    return "-".join(stems).replace(",", "-")


def page() -> str:
    """The text of the page."""
    lines = [PREFACE]
    for section, figures in FIGURES.items():
        lines.append(f"## {section}\n")
        for title, command in figures:
            file = name_of(command)
            shown = f"![{title}]({file}.svg)"
            if section in TEXTS:
                shown = (HERE / f"{file}.{TEXTS[section]}").read_text(encoding="utf-8").rstrip()
            if section == "graph":
                shown = f"```mermaid\n{shown}\n```"
            lines.append(f"{title}\n\n{shown}\n\n```sh\narchdsl draw {command}\n```\n")
    return "\n".join(lines)


def generate(folder: Path) -> None:
    """Writes every figure into a folder."""
    for section, figures in FIGURES.items():
        for _, command in figures:
            suffix = TEXTS.get(section, "svg")
            out = folder / f"{name_of(command)}.{suffix}"
            if cli.run(["draw", *shlex.split(command), "-o", str(out)]):
                sys.exit(f"archdsl draw {command} failed")


def rebuild(folder: Path) -> None:
    """Writes the published figures, each from its figure file, into a folder."""
    for path in sorted((HERE / "published").glob("*.yaml")):
        if cli.run(["draw", str(path), "-o", str(folder / f"{path.stem}.svg")]):
            sys.exit(f"archdsl draw {path} failed")


if __name__ == "__main__":
    generate(HERE)
    rebuild(HERE / "published")
    (HERE / "README.md").write_text(page(), encoding="utf-8")
