"""Names of classes."""

import re


def class_name(name: str) -> str:
    """`ConvBnAct` from `conv_bn_act`, `Block10` from `block1-0`."""
    return (
        "".join(part[:1].upper() + part[1:] for part in re.split("[_-]+", name) if part)
        or "Network"
    )


def part_name(path: str) -> str:
    """`layer_scale` of `block.layer_scale1`, `neck` of `neck.0`: what a part is called without a
    number.
    """
    names = (name.rstrip("0123456789").rstrip("_") for name in reversed(path.split(".")))
    return next((name for name in names if name), "part")


def singular(title: str) -> str:
    """`stage` of `stages`; "" of what is no plural."""
    for ending in ("ches", "shes", "xes"):
        if title.endswith(ending):
            return title.removesuffix("es")
    plural = len(title) > 2 and title.endswith("s") and not title.endswith("ss")
    return title.removesuffix("s") if plural else ""
