"""Any program as on a lesser processor: `python -m tests.processor avx2 -m pytest`.

Three libraries choose code by the processor, each at its start and each by environment variables of its own: numba's
compiler, NumPy's loops, and OpenBLAS.
"""

from __future__ import annotations

import os
import sys

PROCESSORS = {
    # numba's name and features, OpenBLAS's name, and what NumPy's names of the features it lacks begin with
    "avx2": ("znver3", "+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+popcnt", "Zen", ("AVX512", "X86_V4")),
    "plain": ("x86-64", "+sse,+sse2", "Prescott", ("",)),
}


def environment(name: str) -> dict[str, str]:
    """The variables that make a process of this machine, if it is of the x86-64 kind, one of a lesser processor."""
    from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatched  # type: ignore[import-not-found]

    processor, features, blas, lacking = PROCESSORS[name]
    return {
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": features,
        "OPENBLAS_CORETYPE": blas,
        "NPY_DISABLE_CPU_FEATURES": " ".join(f for f in dispatched if f.startswith(lacking)),
    }


if __name__ == "__main__":
    os.execve(sys.executable, [sys.executable, *sys.argv[2:]], {**os.environ, **environment(sys.argv[1])})
