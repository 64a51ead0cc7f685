"""Processes that end with the sweep that made them, whatever ends it."""

import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress

_running: set["subprocess.Popen[str]"] = set()


def guard() -> None:
    """Makes a worker end, with the command that it runs, as soon as its parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        for process in tuple(_running):
            _kill(process)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_command(
    command: Sequence[str], folder: str, timeout: float | None
) -> "subprocess.CompletedProcess[str]":
    """Runs a command, which ends with all that it has started when time is up or the sweep ends."""
    pipe, own = subprocess.PIPE, hasattr(os, "killpg")
    process = subprocess.Popen(
        command, cwd=folder, stdout=pipe, stderr=pipe, text=True, start_new_session=own
    )
    _running.add(process)
    try:
        out, said = process.communicate(timeout=timeout)
    except BaseException:
        _kill(process)
        process.wait()
        raise
    finally:
        _running.discard(process)
    return subprocess.CompletedProcess(command, process.returncode, out, said)


def _kill(process: "subprocess.Popen[str]") -> None:
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
