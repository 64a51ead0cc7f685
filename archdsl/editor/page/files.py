"""The file on the page: its text, what is typed and not saved, and what changed it meanwhile."""

from dataclasses import dataclass
from pathlib import Path

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.files import write_text
from archdsl.diagnostics.sink import Sink
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import read_text


class ChangedMeanwhile(Exception):
    """The file is not as it was read: saving would lose what somebody else wrote."""


@dataclass
class Open:
    """A text that is being edited; `path` is its file, None for one that has none yet.

    It lives with the server, so that a page that is loaded again shows what was typed.
    """

    path: Path | None
    text: str = ""
    saved: str = ""  # what the file said when it was last read or written

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path) if self.path is not None else "untitled.yaml"

    @property
    def unsaved(self) -> bool:
        return self.text != self.saved

    def read(self) -> None:
        """Takes what the file says now. Raises UsageError for a file that cannot be read."""
        if self.path is not None:
            self.text = self.saved = on_disk(self.path)

    def save(self, over: bool = False) -> None:
        """Writes the text; raises ChangedMeanwhile if the file is another now, unless `over`."""
        if self.path is None:
            raise UsageError("this text has no file")
        if not over and self.path.exists() and on_disk(self.path) != self.saved:
            raise ChangedMeanwhile
        write_text(self.path, self.text)
        self.saved = self.text


def on_disk(path: Path) -> str:
    """What a file says. Raises UsageError for what is no text."""
    sink = Sink()
    text = read_text(str(path), Limits(), sink)
    if text is None:
        raise UsageError(sink.diagnostics[-1].message)
    return text
