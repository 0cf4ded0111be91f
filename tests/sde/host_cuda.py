"""The CUDA text built by the host compiler: stubs for what CUDA adds to C++, and a loop where the card has threads."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np

from simlab.random import Key

STUBS = r"""
#include <cmath>
#include <cstring>
#define __device__
#define __global__
#define __forceinline__ inline
struct Index { unsigned x; };
static Index blockIdx, blockDim, threadIdx;
template <typename To, typename From> static To cast(From from) { To to; std::memcpy(&to, &from, sizeof to); return to; }
static int __float_as_int(float x) { return cast<int>(x); }
static float __int_as_float(int x) { return cast<float>(x); }
static long long __double_as_longlong(double x) { return cast<long long>(x); }
static double __longlong_as_double(long long x) { return cast<double>(x); }
using namespace std;
"""
DRIVER = r"""
extern "C" void launch(unsigned blocks, unsigned threads, real* state, long long walkers, long long begin, long long end,
                       unsigned low, unsigned high, unsigned stream, const real* constants) {
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x)
            advance(state, walkers, begin, end, low, high, stream, constants);
}
"""


def build(text: str, folder: Path) -> ctypes.CDLL:
    """Compile a kernel's text as C++."""
    source, library = folder / "kernel.cpp", folder / "kernel.so"
    source.write_text(STUBS + text + DRIVER, encoding="utf-8")
    words = [
        "g++",
        "-std=c++17",
        "-O1",
        "-shared",
        "-fPIC",
        "-Wall",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-Wno-unused-function",
    ]
    subprocess.run([*words, str(source), "-o", str(library)], check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(library))


def advance(
    library: ctypes.CDLL, state: np.ndarray, begin: int, end: int, key: Key, stream: int, constants: np.ndarray
) -> None:
    """What simlab.sde.gpu.advance does, on the host; 32 threads to a block so that blocks are tested too."""
    values = constants.astype(state.dtype)
    walkers, integer, word, pointer = state.shape[1], ctypes.c_longlong, ctypes.c_uint, ctypes.c_void_p
    library.launch(
        word(-(-walkers // 64)), word(32), state.ctypes.data_as(pointer), integer(walkers), integer(begin), integer(end),
        word(key.low), word(key.high), word(stream), values.ctypes.data_as(pointer),
    )  # fmt: skip
