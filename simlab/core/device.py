"""Where arrays live. The one place that imports cupy; a device is an explicit argument, never a global."""

from __future__ import annotations

import importlib
import platform
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from simlab.core import checks
from simlab.core.errors import DeviceError

NO_CUPY = (
    'device "gpu" needs CuPy: install the extra that fits your driver, `pip install "simlab[gpu13]"` (CUDA 13) '
    'or `pip install "simlab[gpu12]"` (CUDA 12), or use --device cpu.'
)
NO_GPU = 'device "gpu" needs an NVIDIA GPU with a working driver ({reason}); mend the driver or use --device cpu.'
TRIANGLE = 64
"""Rows of a triangular solve at a time on the CPU; the rest of it is matrix products."""


class GpuProperties(NamedTuple):
    """A GPU's multiprocessors, and the bytes of shared memory of each, and of one thread block at most."""

    processors: int
    shared: int
    shared_block: int


@dataclass(frozen=True)
class Device:
    """An array namespace, the way in and out of it, and the kernel compiler that goes with it."""

    name: str
    xp: Any
    description: str

    @classmethod
    def open(cls, name: str) -> Device:
        """Open "cpu" or "gpu"; DeviceError says in one sentence what is missing, and nothing falls back."""
        if name == "cpu":
            return cls("cpu", np, _processor())
        if name != "gpu":
            raise DeviceError(f'device must be "cpu" or "gpu", got {name!r}.')
        try:
            import cupy
        except ImportError as error:
            raise DeviceError(NO_CUPY) from error
        return _gpu(cupy)

    @classmethod
    def of(cls, array: Any) -> Device:
        """The device that an array lives on."""
        return cls.open("gpu" if type(array).__module__.partition(".")[0] == "cupy" else "cpu")

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """Bring an array to the device."""
        return self.xp.asarray(values, dtype=dtype)

    def to_host(self, values: Any) -> Any:
        """Bring an array back as NumPy."""
        return self.xp.asnumpy(values) if self.name == "gpu" else values

    def synchronize(self) -> None:
        """Wait until the device has finished all its work."""
        if self.name == "gpu":
            self.xp.cuda.get_current_stream().synchronize()

    def solve_lower(self, factor: Any, right: Any) -> Any:
        """factor^-1 right for a lower triangular factor (n, n), right (n) or (n, k)."""
        if self.name == "gpu":
            return self._scipy("linalg").solve_triangular(factor, right, lower=True, check_finite=False)
        # NumPy and SciPy each bring a BLAS with threads of its own, and the two together cost several times the work.
        solution = self.xp.array(right)
        for start in range(0, len(factor), TRIANGLE):
            part = slice(start, start + TRIANGLE)
            known = solution[part] - factor[part, :start] @ solution[:start]
            solution[part] = self.xp.linalg.inv(factor[part, part]) @ known
        return solution

    def erf(self, values: Any) -> Any:
        """The error function of every entry."""
        return self._scipy("special").erf(values)

    def linear_operator(self, shape: tuple[int, int], product: Any, dtype: Any) -> Any:
        """A symmetric matrix known by its products with vectors, for the sparse eigensolvers of SciPy or CuPy."""
        return self._scipy("sparse.linalg").LinearOperator(shape, matvec=product, rmatvec=product, dtype=dtype)

    def _scipy(self, part: str) -> Any:
        """A module of SciPy, or its twin on the GPU."""
        return importlib.import_module(f"{'cupyx.' if self.name == 'gpu' else ''}scipy.{part}")

    def gpu_properties(self) -> GpuProperties:
        """What kernels need to know of the GPU; DeviceError on the CPU."""
        if self.name != "gpu":
            raise DeviceError("only a gpu device has properties of a GPU.")
        names = ("multiProcessorCount", "sharedMemPerMultiprocessor", "sharedMemPerBlockOptin")
        properties = self.xp.cuda.runtime.getDeviceProperties(self.xp.cuda.Device().id)
        return GpuProperties(*(int(properties[name]) for name in names))

    def compile(self, source: str, entry: str) -> Any:
        """A CUDA C++ text as a CuPy RawKernel; DeviceError on the CPU, whose kernels are numba modules."""
        if self.name != "gpu":
            raise DeviceError("CUDA text compiles on a gpu device only.")
        # --fmad is CUDA's default, explicit here because the CPU kernels contract as well and relax nothing else.
        return self.xp.RawKernel(source, entry, options=("--std=c++17", "--fmad=true"))


def stored(name: str, values: Any, device: Device | None = None) -> Any:
    """Real numbers in the kind that they have, where they are, or on a device that they are to be on.

    What is not on a GPU, a list or a table, is brought to `device`. ValueError for what is not an array of real
    numbers, and for an array of a GPU where the others are on the CPU.
    """
    home = Device.of(values)
    if home.name == "cpu":
        found = checks.stored(name, values)
        return found if device is None else device.asarray(found)
    if device is not None and device.name != home.name:
        raise ValueError(f"{name} must be on the {device.name} as the others are, got an array of a {home.name}.")
    if values.dtype.kind not in "iufb":
        raise ValueError(f"{name} must be an array of real numbers, got {checks.shown(values)}.")
    return values


def real(name: str, values: Any, device: Device | None = None) -> Any:
    """The same in float64: no copy where they are so already. NaN and infinity pass."""
    with np.errstate(over="ignore"):  # what is beyond double precision becomes infinite
        return stored(name, values, device).astype("float64", copy=False)


def on_host(name: str, values: Any, **limits: Any) -> checks.Floats:
    """Real numbers of either device as an array of the host in float64, checked as by `checks.numbers`."""
    return checks.numbers(name, Device.of(values).to_host(values), **limits)


@cache
def _gpu(cupy: Any) -> Device:
    """The GPU behind CuPy, asked once: a question takes longer than a small kernel."""
    try:
        cupy.zeros(1)
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(NO_GPU.format(reason=str(error).split(":")[0])) from error
    return Device("gpu", cupy, properties["name"].decode())


@cache
def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123  a kernel file, not a user's path
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
