"""Settings of the whole suite."""

import os

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None)
"""How long an example takes says more of the machine than of the code."""
settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two to a core: the end-to-end tests spend their time waiting for processes of their own."""
    return 2 * (os.cpu_count() or 1)
