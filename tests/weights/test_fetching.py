"""Weights from elsewhere, from a server on this machine: whole, changed, cut off, gone on with."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save

import archdsl
from archdsl.language.keys import PublishedForm
from archdsl.weights import fetching, published

NET = """
archdsl: 1
name: net
input: [3, 8, 8]
backbone: {conv1: {conv: {out: 4, kernel: 3}}, bn1: batch_norm}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: 5}}}
"""


@dataclass
class Server:
    """Files by their paths, what was asked for, and how the server misbehaves.

    It sends no more than `most` bytes of an answer before it hangs up; without `ranges` it does not
    go on, without `lengths` it does not say how much there is.
    """

    files: dict[str, bytes]
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    most: int | None = None
    ranges: bool = True
    lengths: bool = True
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler, send: bool = True) -> None:
        span = handler.headers.get("Range")
        self.asked.append((handler.path, span))
        data = self.files.get(handler.path)
        if data is None:
            handler.send_error(404)
            return
        start = int(span.removeprefix("bytes=").partition("-")[0]) if span and self.ranges else 0
        if start >= len(data) > 0:
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if self.lengths:
            handler.send_header("Content-Length", str(len(data) - start))
        digest = hashlib.sha256(data).hexdigest()
        for name, value in (("ETag", f'"{digest}"'), ("X-Repo-Commit", "a" * 40)):
            handler.send_header(name, value)  # as the hub does
        handler.end_headers()
        if send:
            end = len(data) if self.most is None else min(len(data), start + self.most)
            handler.wfile.write(data[start:end])


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def do_HEAD(self) -> None:
            server.answer(self, send=False)

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "home" / "hub" / "checkpoints"


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(1)
    return archdsl.compile(archdsl.loads(NET))


@pytest.fixture
def data(model: torch.nn.Module) -> bytes:
    return save(dict(model.state_dict()))


@pytest.fixture
def server(data: bytes) -> Iterator[Server]:
    digest = hashlib.sha256(data).hexdigest()[:8]
    files = {f"/net-{digest}.safetensors": data, "/net.safetensors": data}
    files["/net-00000000.safetensors"] = data
    with serving(Server(files)) as server:
        yield server


def good(server: Server) -> str:
    return server.url + next(iter(server.files))


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(t, b.state_dict()[key]) for key, t in a.state_dict().items())


def fresh() -> torch.nn.Module:
    return archdsl.compile(archdsl.loads(NET))


def test_a_url_is_fetched_once_and_kept_where_torch_hub_keeps_it(
    server: Server, model: torch.nn.Module, home: Path
) -> None:
    loaded = fresh()
    report = archdsl.load_weights(loaded, good(server))
    assert same(loaded, model)
    assert report.file == good(server)
    archdsl.load_weights(fresh(), good(server))
    assert len(server.asked) == 1
    name = next(iter(server.files))[1:]
    assert [p.name for p in home.iterdir() if not p.name.endswith(".lock")] == [name]


def test_a_file_of_torch_hub_is_found(server: Server, home: Path, model: torch.nn.Module) -> None:
    home.mkdir(parents=True)
    url = good(server)
    torch.hub.download_url_to_file(url, str(home / Path(url).name), progress=False)
    asked = len(server.asked)
    archdsl.load_weights(loaded := fresh(), url)
    assert same(loaded, model)
    assert len(server.asked) == asked


def test_another_file_than_was_published_is_refused_and_not_kept(
    server: Server, home: Path
) -> None:
    with pytest.raises(archdsl.CheckpointError, match=r"is not what was published: its SHA-256 is"):
        archdsl.load_weights(fresh(), f"{server.url}/net-00000000.safetensors")
    assert not [p for p in home.iterdir() if not p.name.endswith(".lock")]


def test_a_damaged_file_in_the_cache_is_fetched_again(
    server: Server, home: Path, model: torch.nn.Module
) -> None:
    home.mkdir(parents=True)
    (home / next(iter(server.files))[1:]).write_bytes(b"damaged")
    archdsl.load_weights(loaded := fresh(), good(server))
    assert same(loaded, model)


@pytest.mark.parametrize("ranges", [True, False])
def test_what_is_cut_off_is_gone_on_with(
    server: Server, data: bytes, home: Path, model: torch.nn.Module, ranges: bool
) -> None:
    server.most, server.ranges = len(data) // 10, True
    said = r"was cut off after [\d,]+ of [\d,]+ bytes; the next call goes on from there"
    with pytest.raises(archdsl.CheckpointError, match=said):
        archdsl.load_weights(fresh(), good(server))
    assert len(server.asked) == fetching.ATTEMPTS
    part = next(home.glob("*.part"))
    assert part.stat().st_size == 3 * (len(data) // 10)
    server.most, server.ranges = None, ranges
    archdsl.load_weights(loaded := fresh(), good(server))
    assert same(loaded, model)
    assert server.asked[-1][1] == f"bytes={3 * (len(data) // 10)}-"
    assert not part.exists()


def test_what_is_cut_off_once_is_gone_on_with_in_the_same_call(
    server: Server, data: bytes, model: torch.nn.Module
) -> None:
    server.most = len(data) // 2 + 1
    archdsl.load_weights(loaded := fresh(), good(server))
    assert same(loaded, model)
    assert [span for _, span in server.asked] == [None, f"bytes={len(data) // 2 + 1}-"]


def test_a_beginning_of_another_file_is_started_again(
    server: Server, data: bytes, home: Path, model: torch.nn.Module
) -> None:
    home.mkdir(parents=True)
    name = next(iter(server.files))[1:]
    (home / f"{name}.part").write_bytes(bytes(len(data) + 9))  # longer than there is
    archdsl.load_weights(loaded := fresh(), good(server))
    assert same(loaded, model)


def test_a_server_that_does_not_say_how_much_there_is_will_do(
    server: Server, model: torch.nn.Module
) -> None:
    server.lengths = False
    archdsl.load_weights(loaded := fresh(), f"{server.url}/net.safetensors")
    assert same(loaded, model)


def test_no_file_and_no_server_are_one_clear_error_each(server: Server, home: Path) -> None:
    with pytest.raises(archdsl.CheckpointError, match="the server says 404 Not Found"):
        archdsl.load_weights(fresh(), f"{server.url}/none.pth")
    with pytest.raises(archdsl.CheckpointError) as caught:
        archdsl.load_weights(fresh(), "http://127.0.0.1:9/net-12345678.pth")
    kept = home / "net-12345678.pth"
    assert str(caught.value) == (
        "cannot fetch http://127.0.0.1:9/net-12345678.pth: Connection refused; "
        f"a file that you have can be put at {kept}"
    )
    with pytest.raises(archdsl.UsageError, match="names no file"):
        archdsl.load_weights(fresh(), f"{server.url}/")


def test_two_calls_at_once_fetch_once(server: Server) -> None:
    answer = server.answer
    server.answer = lambda *a, **k: (time.sleep(0.2), answer(*a, **k))[1]  # type: ignore[method-assign]
    threads = [threading.Thread(target=fetching.fetched, args=(good(server),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1


# by name


def entry(server: Server, **said: Any) -> str:
    form = {"url": f"'{server.url}/net.safetensors'", **said}
    values = ", ".join(f"{key}: {value}" for key, value in form.items())
    return NET + f"weights: {{lab: {{entries: {{first: {{{values}}}}}}}}}\n"


def test_the_entries_of_a_spec_are_fetched_by_name_and_bring_their_transform(
    server: Server, data: bytes, model: torch.nn.Module
) -> None:
    digest = hashlib.sha256(data).hexdigest()
    text = entry(server, sha256=f"'{digest}'", preprocess="{resize: 10, crop: [8, 8]}")
    for name in ("lab", "lab/first"):
        loaded = archdsl.compile(archdsl.loads(text), weights=name)
        assert same(loaded, model)
        assert loaded.loaded.file == "lab/first"
        assert loaded.preprocess(torch.zeros(3, 20, 30, dtype=torch.uint8)).shape == (3, 8, 8)
    changed = entry(server, sha256="'00000000'")
    with pytest.raises(archdsl.CheckpointError, match="is not what was published"):
        archdsl.compile(archdsl.loads(changed), weights="lab")


def test_torchvisions_default_is_what_its_name_alone_means(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = archdsl.compile("squeezenet1_1")
    server.files["/first.safetensors"] = save(dict(theirs.state_dict()))
    forms = {
        name: PublishedForm(url=f"{server.url}/first.safetensors", preprocess=form.preprocess)
        for name, form in published.table("torchvision")["squeezenet1_1"].items()
    }
    monkeypatch.setattr(
        published, "table", lambda source: {"squeezenet1_1": forms} if "torch" in source else {}
    )
    loaded = archdsl.compile("squeezenet1_1", weights="torchvision")
    assert same(loaded, theirs)
    assert loaded.preprocess(torch.zeros(3, 300, 400, dtype=torch.uint8)).shape == (3, 224, 224)
    with pytest.warns(UserWarning, match=r"not as in squeezenet1_1: .*is silu for relu"):
        archdsl.compile("squeezenet1_1", weights="torchvision", replace={"relu": "silu"})


def test_files_of_the_hub_are_fetched_by_its_own_package(
    server: Server,
    data: bytes,
    model: torch.nn.Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = "{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{server.url}/{path}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    server.files["/lab/net/resolve/main/model.safetensors"] = data
    for _ in range(2):
        report = archdsl.load_weights(loaded := fresh(), "hf-hub:lab/net")
        assert same(loaded, model)
        assert report.file == "hf-hub:lab/net"
    blob = tmp_path / "hub" / "models--lab--net" / "blobs" / hashlib.sha256(data).hexdigest()
    blob.write_bytes(data[:-1] + b"!")
    with pytest.raises(archdsl.CheckpointError, match=r"is not what was published: .* is damaged"):
        archdsl.load_weights(fresh(), "hf-hub:lab/net")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(archdsl.CheckpointError, match="lab/other: the hub cannot be reached, and"):
        archdsl.load_weights(fresh(), "hf-hub:lab/other")
