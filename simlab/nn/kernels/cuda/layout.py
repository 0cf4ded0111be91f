"""Where the numbers of a model lie while `advance` trains it: on the chip, or beside it in global memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from simlab.nn.kernels.plan import Block, Plan
from simlab.nn.losses import CrossEntropy

REAL = {"float32": ("float", 4), "float64": ("double", 8)}
"""What C++ calls a dtype, and its bytes."""
BY_INPUT = {"erf", "gelu", "softplus"}
"""Activations whose slope is not a function of their value."""


class Place(NamedTuple):
    """Where an array of the text starts, counted in numbers."""

    name: str
    on_chip: bool
    at: int


@dataclass(frozen=True)
class Layout:
    """A kernel: what it computes and where its arrays lie."""

    plan: Plan
    batch: int
    momentum: bool
    threads: int
    dtype: str
    places: tuple[Place, ...]
    shared: int
    work: int

    @property
    def parameters(self) -> int:
        """Trained numbers of a model."""
        return sum((b.dense.n_in + extra(b)) * b.dense.n_out for b in self.plan.blocks)

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block."""
        return self.shared * REAL[self.dtype][1]


def up(n: int) -> int:
    """The next multiple of 4."""
    return -(-n // 4) * 4


def stride(n: int) -> int:
    """What a row of n numbers takes: 4 times an odd number, so that neighbouring rows start in different banks."""
    return 4 * (-(-n // 4) | 1)


def extra(block: Block) -> int:
    """Rows of parameters beside the weights: bias, scale and shift."""
    return block.dense.bias + 2 * (block.norm is not None and block.norm.affine)


def keeps_input(block: Block) -> bool:
    """Whether the derivative needs more than the values of a block."""
    return block.norm is not None or (block.activation is not None and block.activation.name in BY_INPUT)


def threads_for(plan: Plan, batch: int) -> int:
    """Threads of a block, about 8 values of the widest layer to each; more than 512 would leave too few registers."""
    wished = batch * max(b.dense.n_out for b in plan.blocks) // 8
    return min(512, max(64, 1 << (wished.bit_length() - 1 if wished else 0)))


@cache
def layout(
    plan: Plan, batch: int, momentum: bool, limit: int, threads: int | None = None, dtype: str = "float32"
) -> Layout | None:
    """The kernel for batches of this size with `limit` bytes of shared memory; None where a model does not fit."""
    threads = threads or threads_for(plan, batch)
    blocks = dict(enumerate(plan.blocks))
    above = dict(list(blocks.items())[::-1])
    last = plan.blocks[-1].dense.n_out
    width = max([b.dense.n_out for b in plan.blocks if b.norm is not None], default=0)
    weights = {k: (up(b.dense.n_in) + extra(b)) * stride(b.dense.n_out) for k, b in above.items()}
    values = {k: batch * stride(b.dense.n_out) for k, b in above.items()}
    must = {"scratch": 2 * up(max(threads, width))}
    must["goal"] = up(batch) if isinstance(plan.loss, CrossEntropy) else batch * stride(last)
    must |= {f"inverse{k}": stride(b.dense.n_out) for k, b in blocks.items() if b.norm is not None}
    must |= {f"Y{k}": size for k, size in values.items()}
    may = {f"W{k}": size for k, size in weights.items()}
    may["X"] = batch * stride(plan.blocks[0].dense.n_in)
    may |= {f"G{k}": size for k, size in weights.items()}
    may |= {f"H{k}": values[k] for k, b in above.items() if keeps_input(b)}
    may |= {f"V{k}": size for k, size in weights.items() if momentum}
    room = limit // REAL[dtype][1]
    places, shared, work, left_out = [], 0, 0, 0
    for name, size in (must | may).items():
        on_chip = shared + size <= room
        places.append(Place(name, on_chip, shared if on_chip else work))
        shared, work = (shared + size, work) if on_chip else (shared, work + size)
        left_out += not on_chip and name.startswith("W")
        if (name in must and not on_chip) or left_out > 1:
            return None
    return Layout(plan, batch, momentum, threads, dtype, tuple(places), shared, work)
