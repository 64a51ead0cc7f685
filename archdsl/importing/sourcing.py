"""What names a module instead of a spec, without importing anything."""

import os

SEPARATOR, PT2 = ":", ".pt2"


def is_source(text: str) -> bool:
    """Whether a text names a module: `torchvision:resnet50`, `net.py:Net`, `net.pt2`.

    A file of this name goes first, unless it is an exported program.
    """
    if text.endswith(PT2):
        return True
    where, separator, what = text.rpartition(SEPARATOR)
    named = where.endswith(".py") or all(part.isidentifier() for part in where.split("."))
    called = bool(what) and (where in ("timm", "torchvision") or _is_path(what))
    return bool(separator) and named and called and not os.path.exists(text)


def _is_path(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))
