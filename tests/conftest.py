"""Fixtures for all tests. What they are made of is in `tests.support`."""

import pathlib
from collections.abc import AsyncIterator

import hypothesis
import pytest

from tests.support import controlplane
from tests.support.size import WHOLE

# The gate tries the same examples each time, so that a change fails for its own faults only;
# `make faults` looks for new ones, and prints how to try again what it has found.
hypothesis.settings.register_profile("gate", derandomize=True)
hypothesis.settings.register_profile("whole", derandomize=False, print_blob=True)
hypothesis.settings.load_profile("whole" if WHOLE else "gate")


@pytest.fixture
async def control_plane(tmp_path: pathlib.Path) -> AsyncIterator[controlplane.Access]:
    """A control plane: a new embedded one, or the cluster that TEST_KUBECONFIG names."""
    if controlplane.is_named():
        async with controlplane.named() as access:
            yield access
    else:
        async with controlplane.embedded(tmp_path) as access:
            yield access


@pytest.fixture
async def widgets(control_plane: controlplane.Access) -> controlplane.Widgets:
    """A custom resource and a namespace of the test's own."""
    return await controlplane.Widgets.made(control_plane)
