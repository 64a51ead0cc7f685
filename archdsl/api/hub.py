"""Networks at the Hugging Face Hub: a graph and its weights, by the mixin of huggingface_hub."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.api import compile, load_weights, save_weights
from archdsl.diagnostics.errors import CheckpointError, UsageError
from archdsl.diagnostics.files import write_text
from archdsl.diagnostics.packages import require
from archdsl.graph.graph import Graph

if TYPE_CHECKING:
    from torch import nn

GRAPH, WEIGHTS = "graph.json", "model.safetensors"
CONFIG = "config.json"  # which the hub asks for, and counts downloads by


def _mixin() -> Any:
    """The mixin of the hub on what holds a module; it is made when huggingface_hub is there."""
    require("the hub", "huggingface_hub")
    from huggingface_hub import ModelHubMixin, hf_hub_download

    class Held(ModelHubMixin, library_name="archdsl", tags=["archdsl"]):
        def __init__(self, module: "nn.Module") -> None:
            self.module = module

        def _save_pretrained(self, save_directory: Path) -> None:
            graph: Any = self.module.graph
            write_text(save_directory / GRAPH, graph.to_json())
            write_text(save_directory / CONFIG, json.dumps({"network": graph.name}) + "\n")
            save_weights(self.module, save_directory / WEIGHTS)

        @classmethod
        def _from_pretrained(  # type: ignore[override]
            cls, *, model_id: str, **said: Any
        ) -> "nn.Module":
            asked = ("revision", "cache_dir", "force_download", "token", "local_files_only")
            given = {name: said[name] for name in asked if name in said}

            def file(name: str) -> Path:
                if not os.path.isdir(model_id):
                    return Path(hf_hub_download(model_id, name, **given))
                own = Path(model_id) / name
                if not own.is_file():
                    raise CheckpointError(f"{model_id} has no {name}: it is no network saved here")
                return own

            text = file(GRAPH).read_text(encoding="utf-8")
            module = compile(Graph.from_json(text))
            load_weights(module, file(WEIGHTS))
            return module

    return Held


def save_pretrained(module: "nn.Module", folder: str | os.PathLike[str], **said: Any) -> None:
    """Writes the graph and the weights of a compiled module, as the hub has them, to a folder.

    `said` is the rest of `ModelHubMixin.save_pretrained`. Raises UsageError for another module.
    """
    _held(module).save_pretrained(folder, **said)


def push_to_hub(module: "nn.Module", repository: str, **said: Any) -> str:
    """Puts the graph and the weights of a compiled module at the hub; gives the url of the commit.

    `said` is the rest of `ModelHubMixin.push_to_hub`: `private`, `token`, `commit_message`...
    """
    with _reaching(f"cannot put {repository} at the hub"):
        return str(_held(module).push_to_hub(repository, **said))


def from_pretrained(repository: str | os.PathLike[str], **said: Any) -> "nn.Module":
    """The module that `push_to_hub` put at the hub, or `save_pretrained` in a folder.

    Nothing of it is believed: the graph is verified, the weights are tensors alone. `said` is the
    rest of `ModelHubMixin.from_pretrained`: `revision`, `token`, `cache_dir`...
    """
    where = os.fspath(repository)
    mixin = _mixin()
    with _reaching(f"cannot fetch {where}, which is no folder"):
        module: nn.Module = mixin.from_pretrained(where, **said)
    return module


@contextmanager
def _reaching(failing: str) -> Iterator[None]:
    """Says in a sentence what the hub, or the way there, answers with an error of its own."""
    from httpx import TransportError
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
    )

    try:
        yield
    except (LocalEntryNotFoundError, TransportError):
        raise CheckpointError(f"{failing}: the hub cannot be reached") from None
    except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise CheckpointError(f"{failing}: {lines[0] if lines else error}") from None


def _held(module: "nn.Module") -> Any:
    if Graph.of(module) is None:
        raise UsageError("a module that archdsl compiled has a graph, which is kept; this has none")
    return _mixin()(module)
