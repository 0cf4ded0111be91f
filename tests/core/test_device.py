"""Devices open or say in one sentence what is missing; nothing falls back."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simlab.core.device import Device
from simlab.core.errors import DeviceError


class CudaError(RuntimeError):
    """What CuPy raises."""


def fake_cupy(failure: str = "") -> Any:
    """A cupy that has a GPU, or fails as a driver does."""

    def zeros(n: int) -> np.ndarray:
        if failure:
            raise CudaError(failure)
        return np.zeros(n)

    runtime = SimpleNamespace(CUDARuntimeError=CudaError, getDeviceProperties=lambda number: {"name": b"Card 9000"})
    cupy: Any = ModuleType("cupy")
    cupy.zeros, cupy.cuda = zeros, SimpleNamespace(runtime=runtime, Device=lambda: SimpleNamespace(id=0))
    return cupy


def is_one_sentence(error: pytest.ExceptionInfo[DeviceError]) -> bool:
    text = str(error.value)
    return "\n" not in text and text.endswith(".") and "Traceback" not in text


def test_the_cpu_is_numpy_and_brings_nothing_anywhere() -> None:
    device = Device.open("cpu")
    assert (device.name, device.xp) == ("cpu", np)
    assert device.description
    values = np.arange(3.0)
    assert device.asarray(values) is values
    assert device.to_host(values) is values
    assert device.asarray([1, 2], dtype="float32").dtype == np.float32
    device.synchronize()


@pytest.mark.parametrize("name", ["", "cuda", "GPU", "gpu:0", "tpu"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match='must be "cpu" or "gpu"') as error:
        Device.open(name)
    assert is_one_sentence(error)
    assert repr(name) in str(error.value)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed here")
def test_a_gpu_without_cupy_names_the_extra() -> None:
    with pytest.raises(DeviceError, match=r"needs CuPy.*simlab\[gpu13\].*simlab\[gpu12\].*--device cpu") as error:
        Device.open("gpu")
    assert is_one_sentence(error)


def test_a_gpu_whose_cupy_cannot_be_imported_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match=r"simlab\[gpu13\]") as error:
        Device.open("gpu")
    assert is_one_sentence(error)


def test_a_gpu_without_a_card_tells_the_driver_s_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "cudaErrorNoDevice: no CUDA-capable device is detected"
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(reason))
    with pytest.raises(DeviceError, match=r"NVIDIA GPU.*cudaErrorNoDevice.*--device cpu") as error:
        Device.open("gpu")
    assert is_one_sentence(error)


def test_a_gpu_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = fake_cupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    device = Device.open("gpu")
    assert (device.name, device.xp, device.description) == ("gpu", cupy, "Card 9000")


def test_cuda_text_is_not_compiled_on_the_cpu() -> None:
    with pytest.raises(DeviceError, match="gpu device only") as error:
        Device.open("cpu").compile("", "advance")
    assert is_one_sentence(error)


@pytest.mark.gpu
def test_a_card_brings_arrays_there_and_back_and_compiles() -> None:
    device = Device.open("gpu")
    values = np.arange(5.0)
    there = device.asarray(values, dtype="float32")
    kernel = device.compile('extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2; }', "twice")
    kernel((1,), (5,), (there,))
    device.synchronize()
    back = device.to_host(there)
    assert isinstance(back, np.ndarray)
    np.testing.assert_array_equal(back, 2 * values.astype("float32"))


@pytest.mark.parametrize("size", [1, 64, 65, 200])
@pytest.mark.parametrize("shape", [(), (7,)])
def test_a_triangular_solve_in_blocks_is_the_solution(size: int, shape: tuple[int, ...]) -> None:
    normal = np.random.default_rng(size).standard_normal
    half = normal((size, 2 * size))
    factor = np.linalg.cholesky(half @ half.T / size + np.eye(size))
    solution = normal((size, *shape))
    right = factor @ solution
    before = right.copy()
    found = Device.open("cpu").solve_lower(factor, right)
    np.testing.assert_allclose(found, solution, atol=1e-13 * size)  # eps times a condition number below ten
    np.testing.assert_array_equal(right, before)
