"""What a user may ask of a figure."""

import re
from dataclasses import dataclass
from typing import Literal

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean

POINTS = {"in": 72.0, "cm": 72 / 2.54, "mm": 72 / 25.4, "pt": 1.0, "": 1.0}
WIDTHS = {"single": 3.25 * 72, "neurips": 5.5 * 72, "double": 6.875 * 72, "slide": 480.0}
ZOOM = {"slide": 2.0}  # a slide is read from afar: laid out at 480 pt, shown at 960
SHOWN = ("names", "shapes", "params", "macs")
NARROWEST, WIDEST = 72.0, 7200.0


@dataclass(frozen=True, slots=True)
class Options:
    """`width` in points; `fold` how many repeats a stage shows, None for all, 0 for what fits."""

    width: float = WIDTHS["neurips"]
    zoom: float = 1.0
    show: frozenset[str] = frozenset(("names", "shapes"))
    only: str = ""
    title: str = ""
    legend: bool = True
    scale: str = "sqrt"
    direction: Literal["auto", "down", "right"] = "auto"
    fold: int | None = 0


def width_of(text: str) -> tuple[float, float]:
    """Points and magnification of `single`, `neurips`, `double`, `slide`, or `12cm`, `300pt`."""
    if text in WIDTHS:
        return WIDTHS[text], ZOOM.get(text, 1.0)
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(in|cm|mm|pt|)", text)
    if not match:
        hint = did_you_mean(text, WIDTHS)
        raise UsageError(f"width `{text}` is neither a name nor a length like 12cm; {hint}")
    points = float(match[1]) * POINTS[match[2]]
    if not NARROWEST <= points <= WIDEST:
        raise UsageError(f"width {text}: figures are from 1 to 100 inches wide")
    return points, 1.0


def shown_of(text: str) -> frozenset[str]:
    """The set in `params,macs,shapes,names`."""
    names = frozenset(part.strip() for part in text.split(",") if part.strip())
    for name in sorted(names - set(SHOWN)):
        raise UsageError(f"there is no `{name}` to show; {did_you_mean(name, SHOWN)}")
    return names


def fold_of(text: str) -> int | None:
    """`auto`, `none`, or how many repeats of a stage are shown."""
    if text == "auto":
        return 0
    if text == "none":
        return None
    if not text.isdecimal() or not 2 <= int(text) <= 10_000:
        raise UsageError(f"fold `{text}` is not auto, none or a number, 2 or more")
    return int(text)
