"""Names of classes."""

import re


def class_name(name: str) -> str:
    """`ConvBnAct` from `conv_bn_act`, `Block10` from `block1-0`."""
    return (
        "".join(part[:1].upper() + part[1:] for part in re.split("[_-]+", name) if part)
        or "Network"
    )
