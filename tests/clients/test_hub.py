"""Networks at hubs: PyTorch's finds the gallery, Hugging Face's holds graph and weights."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
import torch
from torch import nn

import archdsl
from archdsl.language import gallery

ROOT = Path(__file__).parents[2]
NET = """
archdsl: 1
name: net
input: [3, 8, 8]
params: {classes: 4}
backbone: {conv1: {conv: {out: 4, kernel: 3}}, bn1: batch_norm}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: classes}}}
"""


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(t, b.state_dict()[key]) for key, t in a.state_dict().items())


def test_torch_hub_has_the_gallery() -> None:
    model = torch.hub.load(str(ROOT), "squeezenet1_1", source="local", params={"classes": 3})
    assert model.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
    spec = importlib.util.spec_from_file_location("hubconf", ROOT / "hubconf.py")
    assert spec
    assert spec.loader
    hubconf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hubconf)
    assert {name for name in vars(hubconf) if not name.startswith("_")} == {
        *gallery.every(), "dependencies",
    }  # fmt: skip
    assert "The network resnet50." in hubconf.resnet50.__doc__


def test_what_is_saved_for_the_hub_is_had_again(tmp_path: Path) -> None:
    model = archdsl.compile(archdsl.loads(NET), features=["conv1"])
    archdsl.save_pretrained(model, tmp_path / "net")
    again = archdsl.from_pretrained(tmp_path / "net")
    assert same(model, again)
    assert list(again(torch.zeros(1, 3, 8, 8))) == ["conv1"]
    with pytest.raises(archdsl.UsageError, match="which is kept; this has none"):
        archdsl.save_pretrained(nn.Linear(1, 1), tmp_path / "other")


def test_what_is_not_had_of_the_hub_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = archdsl.compile(archdsl.loads(NET))
    archdsl.save_pretrained(model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(archdsl.CheckpointError, match=r"has no model\.safetensors: it is no"):
        archdsl.from_pretrained(tmp_path)
    with pytest.raises(archdsl.CheckpointError, match="no folder: Repo id must"):
        archdsl.from_pretrained("a/b/c")

    def cut_off(*_: Any, **__: Any) -> Any:
        raise httpx.ConnectError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", cut_off)
    with pytest.raises(archdsl.CheckpointError, match="me/net at the hub: the hub cannot be"):
        archdsl.push_to_hub(model, "me/net")
    with pytest.raises(archdsl.CheckpointError, match="me/net, which is no folder: the hub cann"):
        archdsl.from_pretrained("me/net", local_files_only=True)


def test_a_stranger_at_the_hub_can_put_nothing_but_a_graph_and_tensors(tmp_path: Path) -> None:
    model = archdsl.compile(archdsl.loads(NET))
    archdsl.save_pretrained(model, tmp_path)
    data = json.loads((tmp_path / "graph.json").read_text())
    data["nodes"][0]["op"] = "os.system"
    (tmp_path / "graph.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=r"nodes\[0\].op"):
        archdsl.from_pretrained(tmp_path)


def test_what_is_pushed_is_what_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}

    def create_repo(self: Any, repo_id: str, **_: Any) -> Any:
        return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    def upload_folder(self: Any, *, repo_id: str, folder_path: str, **said: Any) -> str:
        for file in Path(folder_path).iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        sent.update(said, repository=repo_id)
        return "https://huggingface.co/me/net/commit/1"

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    model = archdsl.compile(archdsl.loads(NET))
    assert archdsl.push_to_hub(model, "me/net", commit_message="first").endswith("commit/1")
    assert (sent["repository"], sent["commit_message"]) == ("me/net", "first")
    assert same(archdsl.from_pretrained(tmp_path), model)
