"""Settings that hold for every test."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")

settings.register_profile("suite", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("suite")
