"""How fast the gallery's best-known networks run by every engine: the numbers of docs/speed.md.

    python benchmarks/engines.py [--turns 9] [--threads 1] [--images N] [NETWORK...]

Writes `docs/speed.json`, network by network, and goes on where it was stopped; networks that are
named are measured again. Needs the extras `bench` and `export`, and a C++ compiler. Then
`python docs/generate.py` writes the page. Read the ratios: all engines take turns.
"""

import argparse
import json
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import archdsl
from archdsl.speed.benchmark import WAYS, benchmark
from archdsl.tables.timed import text

DATA = Path(__file__).parent.parent / "docs" / "speed.json"
NETWORKS = ("resnet50", "mobilenet_v2", "googlenet", "efficientnet_b0", "densenet121")
IMAGES = (1, 8)
PACKAGES = ("torch", "torchvision", "onnxruntime", "openvino")


def main() -> None:
    """Measures what is named, or all that has not been."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=[])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, choices=IMAGES)
    given = parser.parse_args()
    data = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {"measured": []}
    data["versions"] = {package: metadata.version(package) for package in PACKAGES}
    measured = {(one["network"], one["images"]): one for one in data["measured"]}
    for images in [given.images] if given.images else IMAGES:
        for name in given.networks or NETWORKS:
            if not given.networks and (name, images) in measured:
                continue
            one = benchmark(archdsl.load(name), [*WAYS], images, given.threads, given.turns)
            measured[name, images] = asdict(one)
            data["measured"] = [measured[key] for key in sorted(measured)]
            DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
            print(text([one]), flush=True)


if __name__ == "__main__":
    main()
