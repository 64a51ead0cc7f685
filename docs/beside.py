"""Emitted source beside torchvision's own: how much code a network takes, by one rule for both.

Counted are the definitions that a network needs: of ours all, of torchvision's those that its
function (`resnet50()`) reaches by name within torchvision, without the lists of trained weights and
the registry of models. Both are laid out by `ruff format` with 100 characters a line; a line counts
if it holds code, not if it is blank, a comment or of a docstring.
"""

import ast
import inspect
import io
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import Any

NETWORKS = (
    "alexnet", "vgg16", "googlenet", "inception_v3", "resnet50", "densenet121", "squeezenet1_1",
    "mobilenet_v2", "efficientnet_b0", "vit_b_16",
)  # fmt: skip
APART = ("_api.py", "_utils.py", "_meta.py", "utils.py")  # of weights, the registry, logging


def counted(text: str) -> tuple[int, int, int]:
    """The lines of code, the classes and the functions of a source."""
    laid = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "100", "-"],
        input=text, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    nodes = [*ast.walk(ast.parse(laid))]
    kinds = (ast.ClassDef, ast.FunctionDef)
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    tokens = tokenize.generate_tokens(io.StringIO(laid).readline)
    lines = {
        line
        for token in tokens
        if token.type not in blank | {tokenize.ENDMARKER}
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in nodes:
        if isinstance(node, (ast.Module, *kinds)) and ast.get_docstring(node) is not None:
            lines -= {*range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)}
    classes, functions = (sum(isinstance(node, kind) for node in nodes) for kind in kinds)
    return len(lines), classes, functions


def of_torchvision(name: str) -> str:
    """The definitions that torchvision's function of a network reaches."""
    import torchvision
    from torchvision.models._api import WeightsEnum

    open_: list[Any] = [inspect.unwrap(torchvision.models.get_model_builder(name))]
    found: dict[Any, str] = {}
    while open_:
        made = open_.pop()
        path = Path(inspect.getsourcefile(made) or "")
        if made in found or "torchvision" not in path.parts or path.name in APART:
            continue
        try:
            text = found[made] = inspect.getsource(made)
        except OSError:  # of a named tuple, which is no definition
            continue
        around = vars(sys.modules[made.__module__])
        for node in ast.walk(ast.parse(text)):
            other = around.get(node.id) if isinstance(node, ast.Name) else None
            is_weights = inspect.isclass(other) and issubclass(other, WeightsEnum)
            if (inspect.isclass(other) or inspect.isfunction(other)) and not is_weights:
                open_.append(inspect.unwrap(other))
    return "\n\n\n".join(found.values())
