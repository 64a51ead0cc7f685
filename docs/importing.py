"""Where a network stands twice, by hand in the gallery and as the spec of torchvision's module.

Lines of the gallery's specs are counted as they are, with those of the specs that they extend:
texts, sources and names of weights among them, which a module does not tell. What became of every
network that was tried is kept in `imported/`, as `campaign.py` writes it.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision

from archdsl import from_torch, to_spec
from archdsl.language.gallery import every, find

DATA = Path(__file__).parent / "imported"
COUNT = 200  # names in timm's sample


def spec_of(name: str) -> str:
    """The spec of torchvision's network."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torchvision.models.get_model(name, weights=None)
    return to_spec(from_torch(module, torch.empty(1, 3, 224, 224, device="meta"), name=name))


def by_hand(name: str) -> int:
    """The lines of the gallery's spec and of those that it extends."""
    lines = Path(find(name)).read_text(encoding="utf-8").splitlines()
    bases = [Path(line.partition(": ")[2]).stem for line in lines if line.startswith("extends: ")]
    return len(lines) + sum(map(by_hand, bases))


def rows(source: str) -> dict[str, dict[str, Any]]:
    """What is known of the networks of `torchvision` or `timm`, by name."""
    file = DATA / f"{source}.json"
    text = file.read_text("utf-8") if file.exists() else '{"networks": {}}'
    found: dict[str, dict[str, Any]] = json.loads(text)["networks"]
    return found


def zoo() -> Iterator[str]:
    """torchvision's classifiers, then those that segment, then those of videos."""
    models = torchvision.models
    for part in (models, models.segmentation, models.video):
        yield from models.list_models(module=part)


def of_torchvision() -> str:
    """What became of torchvision's networks, and how long their specs are beside others."""
    known, ours = rows("torchvision"), set(every())
    known = {name: known[name] for name in zoo() if name in known}
    table, ratios = [], []
    for name, row in known.items():
        hand = by_hand(name) if name in ours else 0
        ratios += [row["lines"] / hand] if hand and "lines" in row else []
        lines = f"{row.get('lines', '-')} | {hand or '-'} | {row['theirs']}"
        table.append(f"| `{name}` | {lines} | {_cost(row)} |")
    head = [
        _count(known, len([*zoo()])),
        "Beside the gallery's specs of the same networks they",
        f"have {median(ratios):.2f} of the lines (the median; at most {max(ratios):.2f}).",
        "",
        "| network | lines, imported | by hand | torchvision's code | s | MB | outputs apart by |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([*head, *table, *_reasons(known)])


def of_timm() -> str:
    """What became of the sample of timm's networks."""
    known = rows("timm")
    head = [
        _count(known, COUNT),
        "",
        "| network | lines, imported | s | MB | outputs apart by |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    table = [
        f"| `{name}` | {row.get('lines', '-')} | {_cost(row)} |" for name, row in known.items()
    ]
    return "\n".join([*head, *table, *_reasons(known)])


def _count(known: dict[str, dict[str, Any]], total: int) -> str:
    """How many were tried, and became what."""
    found = Counter(row["result"] for row in known.values())
    parts = [f"{found.pop('spec', 0)} are specs whose outputs are equal"]
    words = {"graph": "graphs alone, drawn and counted", "refused": "refused"}
    parts += [f"{count} {words.get(kind, kind)}" for kind, count in found.items()]
    return f"Of {total} networks {len(known)} have been tried so far: {', '.join(parts)}."


def _cost(row: dict[str, Any]) -> str:
    apart = row["result"]
    if "difference" in row:
        apart = f"{row['difference']:.0e}" if row["difference"] else "0"
    return f"{row.get('seconds', '')} | {row.get('memory', '')} | {apart}"


def _reasons(known: dict[str, dict[str, Any]]) -> list[str]:
    """Why some are no specs, those of one reason together."""
    found: dict[str, list[str]] = {}
    for name, row in known.items():
        if row["result"] != "spec":
            why = re.sub(rf"^{re.escape(name)} cannot become a spec: ", "", row["why"])
            found.setdefault(re.sub(r"\s+", " ", why), []).append(f"`{name}`")
    return ["", *(f"* {', '.join(names)}: {why}" for why, names in found.items())] if found else []
