"""A graphics card for machines that have none: the CUDA text built by the host compiler, behind CuPy's own names.

`device()` is a real `Device("gpu", ...)` whose namespace forwards to NumPy, so everything above it runs as on a card:
the launches of `simlab.sde.gpu` and `simlab.nn.kernels.cuda`, and whole studies. Blocks run one after the other, and so
do the threads of a block, each from one wait to the next: a wait that is missing changes the result every time. Arrays
refuse NumPy functions, as CuPy's do.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simlab.core.device import Device

SHARED_MEMORY = 232448
"""Bytes that a block of threads may have on a card of compute capability 9.0."""
PROPERTIES = {
    "multiProcessorCount": 132,
    "sharedMemPerMultiprocessor": SHARED_MEMORY + 1024,
    "sharedMemPerBlockOptin": SHARED_MEMORY,
}
STUBS = r"""
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>
#include <setjmp.h>
#include <ucontext.h>
#define __device__
#define __global__
#define __shared__
#define __launch_bounds__(threads, blocks)
#define __forceinline__ inline
struct Index { unsigned x; };
static Index blockIdx, blockDim, gridDim, threadIdx;
// A thread begins by its context; from then on turns change by jumps, for a change of context asks the system's leave.
struct Thread { ucontext_t start; jmp_buf place; std::vector<char> stack; bool begun, over; };
static jmp_buf launcher;
static std::vector<Thread> all;
static void __syncthreads() { if (!_setjmp(all[threadIdx.x].place)) _longjmp(launcher, 1); }
static void turn(Thread& thread)
{
    if (_setjmp(launcher)) return;
    if (thread.begun) _longjmp(thread.place, 1);
    thread.begun = true;
    setcontext(&thread.start);
}
template <typename To, typename From> static To cast(From from)
{ To to; std::memcpy(&to, &from, sizeof to); return to; }
static int __float_as_int(float x) { return cast<int>(x); }
static float __int_as_float(int x) { return cast<float>(x); }
static long long __double_as_longlong(double x) { return cast<long long>(x); }
static double __longlong_as_double(long long x) { return cast<double>(x); }
using namespace std;
"""
SHARED = re.compile(r"extern __shared__ (\w+) (\w+)\[\];")
"""How a kernel declares its dynamic shared memory. Every block finds it full of ones, which are NaN or -1."""
DRIVER = r"""
template <typename... Parameters, size_t... I>
static void call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<I...>)
{ kernel(*static_cast<std::remove_reference_t<Parameters>*>(arguments[I])...); }
template <typename... Parameters>
static void call(void (*kernel)(Parameters...), void** arguments)
{ call(kernel, arguments, std::index_sequence_for<Parameters...>()); }

static void** given;
static void run() { call(&::ENTRY, given); all[threadIdx.x].over = true; _longjmp(launcher, 1); }

// arguments: a pointer to each, as in a launch by the driver of a card.
extern "C" void launch(unsigned blocks, unsigned threads, void** arguments)
{
    gridDim.x = blocks;
    blockDim.x = threads;
    given = arguments;
    all.resize(threads);
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        CLEAR
        for (auto& thread : all) {
            thread.stack.resize(1 << 16);
            getcontext(&thread.start);
            thread.start.uc_stack.ss_sp = thread.stack.data();
            thread.start.uc_stack.ss_size = thread.stack.size();
            thread.start.uc_link = nullptr;
            thread.begun = thread.over = false;
            makecontext(&thread.start, run, 0);
        }
        // Every thread runs until it waits; by turns the first and the last one leads.
        for (unsigned round = blockIdx.x; !all[0].over; ++round) {
            for (unsigned i = 0; i < threads; ++i) {
                threadIdx.x = round % 2 ? threads - 1 - i : i;
                turn(all[threadIdx.x]);
            }
            for (auto& thread : all) if (thread.over != all[0].over) abort();  // some wait for threads that are gone
        }
    }
}
"""
# -Bsymbolic: the C library has an old function of the name `advance` too, and would be asked first.
COMPILER = ["g++", "-std=c++17", "-O2", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-Wall", "-Werror"]
ALLOWED = ["-Wno-unknown-pragmas", "-Wno-unused-function"]
C_TYPES: dict[type, Any] = {np.int64: ctypes.c_longlong, np.uint32: ctypes.c_uint, np.int32: ctypes.c_int}


class RawKernel:
    """What cupy.RawKernel is to its caller: (text, entry), then kernel(grid, block, arguments)."""

    max_dynamic_shared_size_bytes = 48 * 1024  # what a card grants without being asked

    def __init__(self, text: str, entry: str, options: tuple[str, ...]) -> None:
        self.launch = build(text, entry).launch

    def __call__(self, grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...], *, shared_mem: int = 0) -> None:
        assert shared_mem <= self.max_dynamic_shared_size_bytes <= SHARED_MEMORY
        words = [C_TYPES[type(a)](a) if type(a) in C_TYPES else a.ctypes.data_as(ctypes.c_void_p) for a in arguments]
        pointers = (ctypes.c_void_p * len(words))(*(ctypes.addressof(word) for word in words))
        self.launch(ctypes.c_uint(*grid), ctypes.c_uint(*block), pointers)


@cache
def build(text: str, entry: str) -> ctypes.CDLL:
    """Compile a kernel's text as C++; skips the test where there is no compiler."""
    if shutil.which("g++") is None:
        pytest.skip("the CUDA text is tested by building it as C++, and there is no g++ on this machine")
    folder = Path(tempfile.gettempdir()) / "simlab-host-cuda"
    folder.mkdir(exist_ok=True)
    driver = DRIVER.replace("ENTRY", entry)
    memory, clear = "", ""
    if found := SHARED.search(text):
        kind, place = found.groups()
        memory = f"__attribute__((aligned(16))) {kind} {place}[{SHARED_MEMORY} / sizeof({kind})];\n"
        clear = f"std::memset({place}, 0xFF, sizeof {place});"
    whole = STUBS + text + memory + driver.replace("CLEAR", clear)
    name = hashlib.sha256((whole + str(COMPILER)).encode()).hexdigest()[:24]
    library = folder / f"{name}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as own:
            source, built = Path(own) / "kernel.cpp", Path(own) / "kernel.so"
            source.write_text(whole, encoding="utf-8")
            subprocess.run([*COMPILER, *ALLOWED, str(source), "-o", str(built)], check=True, text=True)
            built.replace(library)
    return ctypes.CDLL(str(library))


class DeviceArray(np.ndarray):
    """An array that may be added, multiplied and compared, but not given to a NumPy function."""

    ARITHMETIC = frozenset({
        "add", "subtract", "multiply", "divide", "true_divide", "power", "square", "negative", "invert",
        "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "bitwise_and", "bitwise_or",
        "logical_or", "logical_and", "bitwise_xor", "right_shift", "left_shift", "matmul", "remainder",
    })  # fmt: skip

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method == "__call__" and ufunc.__name__ not in self.ARITHMETIC:
            raise TypeError(f"numpy.{ufunc.__name__} was given an array of the device; ask the device's namespace.")
        if any(type(a) is np.ndarray for a in inputs):  # CuPy's arithmetic refuses them too
            raise TypeError("an array of the host meets one of the device; bring it over first.")
        plain = [_plain(a) for a in inputs]
        if "out" in keywords:
            keywords["out"] = tuple(_plain(a) for a in keywords["out"])
        return _wrap(getattr(ufunc, method)(*plain, **keywords))

    def __abs__(self) -> Any:
        return _wrap(abs(_plain(self)))

    def __pow__(self, exponent: Any) -> Any:  # type: ignore[override]
        return _wrap(_plain(self) ** _plain(exponent))  # NumPy would call its square root for the power of a half

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} was given an array of the device; ask the device's namespace.")


def _plain(a: Any) -> Any:
    if isinstance(a, (list, tuple)):
        return [_plain(part) for part in a]
    return a.view(np.ndarray) if isinstance(a, DeviceArray) else a


def _wrap(a: Any) -> Any:
    if isinstance(a, (list, tuple)):
        return tuple(_wrap(part) for part in a)
    return a.view(DeviceArray) if isinstance(a, np.ndarray) else a


class Forward:
    """The functions of a NumPy module on arrays of the device."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.module, name)
        if isinstance(function, type) or not callable(function):  # a dtype, a constant
            return function

        def forward(*arguments: Any, **keywords: Any) -> Any:
            plain = {k: tuple(_plain(v)) if k == "shape" else _plain(v) for k, v in keywords.items()}
            shapes = name in {"zeros", "empty", "ones", "reshape", "broadcast_to"}  # they take shapes as tuples
            return _wrap(function(*(a if shapes and isinstance(a, tuple) else _plain(a) for a in arguments), **plain))

        return forward


class HostCupy(Forward):
    """NumPy under CuPy's names, on arrays of the device."""

    RawKernel = RawKernel
    cuda = SimpleNamespace(
        get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
        Device=lambda: SimpleNamespace(id=0),
        runtime=SimpleNamespace(getDeviceProperties=lambda card: PROPERTIES),
    )
    linalg = Forward(np.linalg)

    @staticmethod
    def asnumpy(a: Any) -> np.ndarray:
        """Bring an array back."""
        return np.array(_plain(a))


@cache
def device() -> Device:
    """A gpu device without a card."""
    return Device("gpu", HostCupy(np), "CUDA text on the host compiler")


def install(monkeypatch: pytest.MonkeyPatch) -> Device:
    """Let this device be the card: what `--device gpu` opens, and what its arrays are found to live on."""
    import array_api_compat.numpy
    import scipy

    from simlab import random

    card, of, parts = device(), Device.of, Device._scipy
    namespace = getattr(random, "array_namespace")  # noqa: B009  imported there, not exported

    def own(*arrays: Any) -> bool:
        return any(isinstance(a, DeviceArray) for a in arrays)

    def open_(name: str) -> Device:
        return {"gpu": card, "cpu": Device("cpu", np, "")}[name]

    monkeypatch.setattr(Device, "open", staticmethod(open_))
    monkeypatch.setattr(Device, "of", classmethod(lambda cls, a: card if own(a) else of(a)))
    forward = Forward(array_api_compat.numpy)
    monkeypatch.setattr(random, "array_namespace", lambda *arrays: forward if own(*arrays) else namespace(*arrays))
    monkeypatch.setattr(
        Device, "_scipy", lambda self, part: Forward(getattr(scipy, part)) if self is card else parts(self, part)
    )
    return card
