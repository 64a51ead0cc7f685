"""The program `archdsl`, also as `python -m archdsl`."""

import os
import signal

TYPE_CHECKING = False  # nothing else is imported before Control-C is heard
if TYPE_CHECKING:
    from typing import NoReturn


def _end(*_: object) -> None:
    """Ends without a word, as Control-C does later: 130 is `cli.console.INTERRUPTED`."""
    os._exit(130)


def main() -> "NoReturn":
    """Runs the command; Control-C ends it quietly also while its modules are imported."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # a shell's job in the background ignores it
        signal.signal(signal.SIGINT, _end)
    from archdsl.cli.main import main

    signal.signal(signal.SIGINT, usual)
    main()


if __name__ == "__main__":
    main()
