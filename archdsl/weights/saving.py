"""The weights of a module in a file, which says what network they are of."""

import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl import __version__
from archdsl.diagnostics.files import replacing, require_text
from archdsl.diagnostics.packages import require
from archdsl.graph.graph import Graph

if TYPE_CHECKING:
    from torch import nn


def save_weights(module: "nn.Module", path: str | os.PathLike[str]) -> None:
    """Writes a module's state_dict: safetensors by the suffix, else PyTorch's format.

    safetensors say in their metadata what is in `described`.
    """
    path = os.fspath(path)
    require_text(path)
    if path.endswith(".safetensors"):
        require(path, "safetensors")
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in module.state_dict().items()}
    with replacing(Path(path)) as temporary:
        if path.endswith(".safetensors"):
            from safetensors.torch import save_file

            save_file(state, temporary, described(Graph.of(module)))
        else:
            import torch

            torch.save(state, temporary)


def described(graph: Graph | None) -> dict[str, str]:
    """What a file of weights or an export says of its network.

    `archdsl` is the version, `name` the network's, `graph` the hash of its graph, `spec` the text
    that it was elaborated from and `params` the values of its parameters, in JSON; `format` is what
    readers of safetensors look for.
    """
    said = {"format": "pt", "archdsl": __version__}
    if graph is None:
        return said
    said |= {"name": graph.name, "graph": digest(graph)}
    written: Any = graph.written
    if written is not None:
        said["spec"] = written.document.file.source.text
        said["params"] = json.dumps(dict(written.parameters), default=str)
    return said


def digest(graph: Graph) -> str:
    """The SHA-256 of a graph's JSON without places in files: networks that are alike have one."""
    nodes = tuple([replace(node, span=None) for node in graph.nodes])
    scopes = tuple([replace(scope, span=None) for scope in graph.scopes])
    bare = replace(graph, nodes=nodes, scopes=scopes, renames={}, title="", citation="")
    return sha256(bare.to_json().encode()).hexdigest()
