"""A line on the terminal about work that takes longer than a second."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DELAY = 1.0  # seconds of work before anything is shown


class Progress:
    """What is being done now: call it to say so."""

    def __init__(self) -> None:
        self.text = ""
        self.done = threading.Event()

    def __call__(self, text: str) -> None:
        self.text = text

    def show(self) -> None:
        """Shows the text with a spinner until the work is done."""
        if self.done.wait(DELAY):
            return
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True)
        with console.status(Text(self.text)) as status:
            while not self.done.wait(0.1):
                status.update(Text(self.text))


@contextmanager
def progress() -> Iterator[Progress]:
    """Shows what is said to it on stderr, if that is a terminal and the work takes its time."""
    shown = Progress()
    if sys.stderr is None or not sys.stderr.isatty():
        yield shown
        return
    thread = threading.Thread(target=shown.show, daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        shown.done.set()
        thread.join()
