"""Shared by all tests: one seeded generator per test, whose seed a failure prints."""

import os
import zlib

import numpy as np
import pytest

import minidl


@pytest.fixture
def seed(request):
    """A seed that depends on the test's name; MINIDL_TEST_SEED overrides it."""
    return int(os.environ.get("MINIDL_TEST_SEED", zlib.crc32(request.node.nodeid.encode())))


@pytest.fixture
def rng(seed):
    """NumPy's generator for the data of one test."""
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def _same_random_numbers(seed):
    """Every test starts from known random numbers and leaves the modes as it found them."""
    minidl.manual_seed(seed)
    yield
    minidl.set_default_dtype(minidl.float32)
    minidl.set_grad_enabled(True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and "seed" in getattr(item, "funcargs", {}):
        report.sections.append(("repeat with", f"MINIDL_TEST_SEED={item.funcargs['seed']}"))
