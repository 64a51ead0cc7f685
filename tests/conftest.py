"""Settings that hold for every test."""

import gc
import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes of tests share the cores, not threads
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each that a test starts compiles all anew

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")

settings.register_profile("suite", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("many", deadline=None, max_examples=400, derandomize=True)
settings.load_profile("suite")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as what tests start would, in a job
    signal.signal(signal.SIGINT, signal.default_int_handler)  # that a script runs beside others
gc.set_threshold(10_000, 20, 20)  # a sixth of the time went into looking for circles of garbage


def pytest_collection_finish() -> None:
    """What was imported by now stays, and need not be looked through for garbage."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what hypothesis makes the examples of: `-m property`."""
    for item in items:
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.property)
