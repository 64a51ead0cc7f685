"""Files of weights from elsewhere: verified, cached where `torch.hub` does, and gone on with.

`torch.hub.load_state_dict_from_url` begins again what was cut off, and takes a short file without
a hash for a whole one; so the transfer is ours, into its folder and under its names: what
torchvision fetched is found here, and the other way round.
"""

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from archdsl.diagnostics.errors import CheckpointError, UsageError
from archdsl.diagnostics.files import make_folder
from archdsl.diagnostics.packages import require

HASH = re.compile(r"-([0-9a-f]{8,64})\.\w+$")  # in the name of a file, as torch.hub has it
HUB = "hf-hub:"  # before the repository of a file of the Hugging Face Hub
AT_HUB = ("model.safetensors", "pytorch_model.bin")
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3
CHUNK = 1 << 20
Say = Callable[[int, int | None], None]  # of how many bytes there are, of how many


def is_remote(name: str) -> bool:
    """Whether a name is that of a file elsewhere."""
    return name.startswith((HUB, "http://", "https://"))


def fetched(name: str, digest: str = "", progress: bool = True) -> Path:
    """The file at a url, or of a repository of the hub (`hf-hub:timm/resnet50.a1_in1k`).

    It is held to a SHA-256, or to how that begins: the `digest`, the one in its name, or what the
    hub says. Raises CheckpointError if it cannot be had, or is another.
    """
    if name.startswith(HUB):
        return _from_hub(name.removeprefix(HUB), digest)
    file = Path(unquote(urlsplit(name).path)).name
    if not file:
        raise UsageError(f"{name} names no file")
    found = HASH.search(file)
    digest = digest or (found[1] if found else "")
    folder = cache()
    make_folder(folder)
    path = folder / file
    from filelock import FileLock

    with FileLock(folder / f".{file}.lock"):
        if not (path.is_file() and _is(path, digest)):
            with _shown(f"fetching {file}", progress) as say:
                _Transfer(name, path, digest).run(say)
    return path


def cache() -> Path:
    """Where `torch.hub` keeps what it fetches; `TORCH_HOME` says another place."""
    require("fetching weights", "torch")
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


@dataclass(frozen=True)
class _Transfer:
    """A file on its way: what there is of it lies beside it, and is gone on with."""

    url: str
    path: Path
    digest: str

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    def run(self, say: Say) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                total = self.receive(say)
            except urllib.error.HTTPError as error:
                raise CheckpointError(
                    f"cannot fetch {self.url}: the server says {error.code} {error.reason}"
                ) from None
            except (OSError, http.client.HTTPException) as error:
                if attempt == ATTEMPTS or not self.size:
                    raise CheckpointError(self.unreachable(error)) from None
                continue
            if total is None or self.size >= total:
                break
        else:
            raise CheckpointError(
                f"{self.url} was cut off after {self.size:,} of {total:,} bytes; "
                "the next call goes on from there"
            )
        if not _is(self.part, self.digest):
            found = _digest(self.part)
            self.part.unlink()
            raise CheckpointError(
                f"{self.url} is not what was published: its SHA-256 is {found[:16]}..., "
                f"not {self.digest[:16]}{'...' if len(self.digest) > 16 else ''}; nothing is kept"
            )
        os.replace(self.part, self.path)

    @property
    def size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def unreachable(self, error: Exception) -> str:
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        there = f" after {self.size:,} bytes, which are kept" if self.size else ""
        return (
            f"cannot fetch {self.url}{there}: {reason or type(error).__name__}; "
            f"a file that you have can be put at {self.path}"
        )

    def receive(self, say: Say) -> int | None:
        """Adds to what there is; gives the size of the whole, None if the server does not say."""
        have = self.size
        request = urllib.request.Request(self.url, headers={"User-Agent": "archdsl"})
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            self.part.unlink()  # of another file, or all of it: what is whole is quickly had again
            return self.receive(say)
        with response:
            length = response.headers.get("Content-Length")
            goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
            have = have if goes_on else 0
            total = have + int(length) if length is not None else None
            with open(self.part, "ab" if goes_on else "wb") as file:
                while data := response.read1(CHUNK):
                    file.write(data)
                    have += len(data)
                    say(have, total)
        return total


def _is(path: Path, digest: str) -> bool:
    """Whether a file has a hash, of which the beginning may be given."""
    return _digest(path).startswith(digest.lower()) if digest else True


def _digest(path: Path) -> str:
    found = sha256()
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            found.update(data)
    return found.hexdigest()


def _from_hub(repository: str, digest: str) -> Path:
    """A file of a repository of the hub: `timm/resnet50.a1_in1k`, `owner/name:file.safetensors`."""
    require(f"{HUB}{repository}", "huggingface_hub")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    name, _, file = repository.partition(":")
    for candidate in [file] if file else AT_HUB:
        try:
            path = Path(hf_hub_download(name, candidate))
        except LocalEntryNotFoundError:  # which is an EntryNotFoundError, too
            raise CheckpointError(
                f"cannot fetch {HUB}{repository}: the hub cannot be reached, and the file is "
                "not in the cache of huggingface_hub"
            ) from None
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(f"cannot fetch {HUB}{repository}: {reason}") from None
        said = path.resolve().name  # large files lie under their hash
        digest = digest or (said if re.fullmatch("[0-9a-f]{64}", said) else "")
        if not _is(path, digest):
            raise CheckpointError(f"{HUB}{repository} is not what was published: {path} is damaged")
        return path
    raise CheckpointError(f"{HUB}{name} has no {file or ' and no '.join(AT_HUB)}")


@contextmanager
def _shown(what: str, progress: bool) -> Iterator[Say]:
    """A bar on a terminal."""
    import sys

    if not progress or sys.stderr is None or not sys.stderr.isatty():
        yield lambda have, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what)
        yield lambda have, total: bar.update(task, completed=have, total=total)
