"""Hypothesis profiles and the gpu marker."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Any

# Several test processes share the processors: threads of their linear algebra would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell starts what runs in the background with Ctrl-C ignored, and tests and their children would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# Kernels compile inside examples, so no example has a deadline; in CI the examples are the same every time.
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """--study NAME: hold another package's study to tests/studies/test_conformance.py."""
    parser.addoption("--study", action="append", help="a study by name, instead of those of this laboratory")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that ask for a study's name run for each, those that ask for its margins over seeds for ours alone."""
    if "study_name" in metafunc.fixturenames:
        from simlab.studies import STUDIES

        metafunc.parametrize("study_name", metafunc.config.getoption("study") or STUDIES, scope="module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is no card, and say why."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    from simlab.core.device import Device
    from simlab.core.errors import DeviceError

    try:
        Device.open("gpu")
    except DeviceError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Keep the tests of a study in one process, which runs its smoke preset once; the largest groups go first.

    `--dist loadgroup` is made for this and groups nothing with pytest 9.2 (pytest-xdist, issue 1386).
    """
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByStudy(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            found = re.match(r"tests/studies/test_(?:conformance\.py.*\[(?P<study>\w+)|(?P<module>\w+)\.py)", nodeid)
            return (found["study"] or found["module"]) if found else nodeid

    return ByStudy(config, log)
