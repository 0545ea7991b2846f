"""Settings of the whole suite."""

import os

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two to a core: the end-to-end tests spend their time waiting for processes of their own."""
    return 2 * (os.cpu_count() or 1)
