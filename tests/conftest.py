"""Settings that hold for every test."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes of tests share the cores, not threads

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")

settings.register_profile("suite", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("suite")
