"""Scale-invariant losses at sizes far from one: digits that are kept, and where a formula has no meaning."""

from __future__ import annotations

from collections.abc import Callable

import mpmath  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory import scale_invariant as si

SHARES = st.floats(-30, -0.5).map(lambda x: 10.0**x)
"""lr wd."""


def test_what_the_issue_found_is_right_or_refused() -> None:
    # The first step from a tiny norm goes as far as lr sqrt(G)/rho0; below 1e-60 no float says how far.
    assert si.relaxation(1e-50, 0.1, 0.01, 4.0, 1)[-1] == pytest.approx(0.2e50, rel=1e-14)
    calls: list[Callable[[], object]] = [
        lambda: si.relaxation(1e-200, 0.1, 0.01, 1.0, 5),
        lambda: si.concentration_error(1e4, 1.0, 0.1, 0.1, 10),  # kappa lr/(4 rho^2) = 118
        lambda: si.relaxation_limit(1e-3, 0.1, 0.01, 1.0, 5),  # the first step is a hundred thousand rho0
        lambda: si.relaxation(1.0, 0.1, 0.01, 1.0, 10**12),
        lambda: si.norm_variance(1.0, 0.5, 2.0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"^(rho0|kappa|steps|variation) must be .*\.$"):
            call()


@given(SHARES, st.floats(-50, 29), st.floats(0, 0.95))  # decay is share/lr, of which 1e-60 is the least
def test_formulas_keep_their_digits_at_any_size(share: float, size: float, m: float) -> None:
    lr, g = 10.0**size, 10.0**-size
    wd = share / lr
    with mpmath.workdps(60):
        a, w, square, kept = (mpmath.mpf(v) for v in (lr, wd, g, m))
        turn = mpmath.acos(1 - a * w / (1 + kept))
        fourth = a * square / (w * (1 - kept) * (2 - a * w / (1 + kept)))
    assert si.angle(lr, wd, m) == pytest.approx(float(turn), rel=1e-13)
    assert si.equilibrium_norm(lr, wd, g, m) == pytest.approx(float(fourth**0.25), rel=1e-13)
