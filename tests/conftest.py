"""Hypothesis profiles and the gpu marker."""

from __future__ import annotations

import os
import signal

# Several test processes share the processors: threads of their linear algebra would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell starts what runs in the background with Ctrl-C ignored, and tests and their children would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import HealthCheck, settings

# Kernels compile inside examples, so no example has a deadline; in CI the examples are the same every time.
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is no card, and say why."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    from simlab.device import Device
    from simlab.errors import DeviceError

    try:
        Device.open("gpu")
    except DeviceError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=str(error)))
