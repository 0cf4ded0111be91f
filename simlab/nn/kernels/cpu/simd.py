"""Vectors of float32 for numba, and a register-blocked product of matrices, without processor-specific intrinsics.

A vector of 16 lanes is a value like any other in compiled code: `load` and `store` move it, + - * / work lane by lane
with numbers broadcast to all lanes, and products that are added are fused. LLVM takes registers of 512 bits where there
are any and splits the vectors where there are none.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 16
ROUND = 1.5 * 2.0**23
"""A float32 of any size below 2^22 plus this is rounded to a whole number, which its last bits hold."""
F32, I32, INT = ir.FloatType(), ir.IntType(32), types.intp
FLOATS, WHOLES = ir.VectorType(F32, LANES), ir.VectorType(I32, LANES)
FUSED = ("contract",)


class Vector(types.Type):
    """16 float32 in one register."""

    def __init__(self) -> None:
        super().__init__(name="Vector")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)


def _broadcast(context: Any, builder: Any, value: Any, kind: Any) -> Any:
    """A vector as it is, or a number in every lane."""
    if isinstance(kind, Vector):
        return value
    number = context.cast(builder, value, kind, types.float32)
    one = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), number, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(WHOLES, [0] * LANES))


def _arithmetic(operation: Any, name: str) -> None:
    """Let numba apply a Python operator to vectors, or to a vector and a number."""

    @infer_global(operation)
    class Typed(AbstractTemplate):
        def generic(self, args: Any, keywords: Any) -> Any:
            vectors = [kind for kind in args if isinstance(kind, Vector)]
            return signature(vectors[0], *args) if vectors and len(args) == 2 else None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = (_broadcast(context, builder, v, kind) for v, kind in zip(args, sig.args, strict=True))
        return getattr(builder, name)(*values, flags=FUSED)

    for kinds in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(operation, *kinds)(emit)


for _operator, _name in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("truediv", "fdiv")):
    _arithmetic(getattr(operator, _operator), _name)


def _vector_at(builder: Any, data: Any, offset: Any) -> Any:
    """The address of an entry as that of a vector."""
    return builder.bitcast(builder.gep(data, [offset]), FLOATS.as_pointer())


def _place(context: Any, builder: Any, array_kind: Any, array: Any, offset: Any) -> Any:
    """The address of a vector in a contiguous array."""
    return _vector_at(builder, context.make_array(array_kind)(context, builder, array).data, offset)


def _load(builder: Any, address: Any) -> Any:
    return builder.load(address, align=4)


@intrinsic
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """The 16 entries of a contiguous array from an offset on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(builder, _place(context, builder, array, *args))

    return Vector()(array, INT), emit


@intrinsic
def store(typing_context: Any, vector: Any, array: Any, offset: Any) -> Any:
    """Write a vector into a contiguous array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[0], _place(context, builder, array, *args[1:]), align=4)
        return context.get_dummy_value()

    return types.none(vector, array, INT), emit


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """A number in all 16 lanes."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _broadcast(context, builder, args[0], number)

    return Vector()(number), emit


@intrinsic
def lane_numbers(typing_context: Any) -> Any:
    """0, 1, ..., 15."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(FLOATS, [float(i) for i in range(LANES)])

    return Vector()(), emit


@intrinsic
def where_less(typing_context: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes with a < b, `no` elsewhere, as beside a NaN."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = [_broadcast(context, builder, v, kind) for v, kind in zip(args, sig.args, strict=True)]
        return builder.select(builder.fcmp_ordered("<", values[0], values[1]), values[2], values[3])

    return Vector()(a, b, yes, no), emit


@intrinsic
def total(typing_context: Any, vector: Any) -> Any:
    """The sum of the lanes, in order of halving distance."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, distance = args[0], LANES // 2
        while distance:
            mask = ir.Constant(WHOLES, [i ^ distance for i in range(LANES)])
            value = builder.fadd(value, builder.shuffle_vector(value, value, mask))
            distance //= 2
        return builder.extract_element(value, ir.Constant(I32, 0))

    return types.float32(vector), emit


def _function(name: str) -> Any:
    """An LLVM function of one vector."""

    @intrinsic
    def function(typing_context: Any, vector: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(args[0].type, [args[0].type])
            called = cgutils.get_or_insert_function(builder.module, kind, f"{name}.v{LANES}f32")
            return builder.call(called, args)

        return vector(vector), emit

    return function


square_root, magnitude = _function("llvm.sqrt"), _function("llvm.fabs")


@intrinsic
def power_of_two(typing_context: Any, vector: Any) -> Any:
    """2^n of n + ROUND, a whole number n from -126 to 127: its bits moved to where an exponent stands."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        one, place = (ir.Constant(WHOLES, [c] * LANES) for c in (127 << 23, 23))
        return builder.bitcast(builder.add(builder.shl(builder.bitcast(args[0], WHOLES), place), one), FLOATS)

    return vector(vector), emit


@intrinsic
def transpose(typing_context: Any, array: Any, source: Any, target: Any) -> Any:
    """Write the transpose of 16 x 16 contiguous entries at `source` to `target` of the same array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        offsets = [ir.Constant(args[1].type, LANES * i) for i in range(LANES)]
        at = [[_place(context, builder, array, args[0], builder.add(o, i)) for i in offsets] for o in args[1:]]
        rows = [_load(builder, address) for address in at[0]]
        distance = LANES // 2
        # Exchange the off-diagonal quarters, then those of the quarters, and so on.
        while distance:
            masks = [[i if not i & distance else i + LANES - distance for i in range(LANES)],
                     [i + distance if not i & distance else i + LANES for i in range(LANES)]]  # fmt: skip
            low, high = (ir.Constant(WHOLES, mask) for mask in masks)
            for i in range(LANES):
                if not i & distance:
                    a, b = rows[i], rows[i + distance]
                    rows[i], rows[i + distance] = builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)
            distance //= 2
        for row, address in zip(rows, at[1], strict=True):
            builder.store(row, address, align=4)
        return context.get_dummy_value()

    return types.none(array, INT, INT), emit


def tile(rows: int, panels: int, transposed: bool) -> Any:
    """The product of some rows of A with some panels of B, all of it in registers.

    The compiled function takes (array, K, A, B, C, finish, env), with A, B and C each (place, distance from one panel
    to the next) in entries of the array, and C the number of its first panel too. A panel holds 16 columns, row by row,
    so that B_kj is at place + 16 k + j in its panel; A_ik is the entry (i, k) of the first row of panels, transposed:
    the entry (k, i) of one panel. In the end finish(sum, array, place, panel, env) is called for every row and panel.
    """
    kind = Vector()

    @intrinsic
    def product(typing_context: Any, array: Any, K: Any, A: Any, B: Any, C: Any, finish: Any, env: Any) -> Any:
        ending = typing_context.resolve_function_type(finish, (kind, array, INT, INT, env), {})

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            whole = args[1].type
            (a, a_panel), (b, b_panel), (c, c_panel, index) = (cgutils.unpack_tuple(builder, t) for t in args[2:5])
            data = context.make_array(array)(context, builder, args[0]).data

            def number(n: int) -> Any:
                return ir.Constant(whole, n)

            def at(place: Any, panel: Any, number_of_panel: Any, offset: Any) -> Any:
                return builder.add(builder.add(place, builder.mul(panel, number_of_panel)), offset)

            zero = ir.Constant(FLOATS, None)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(panels)] for _ in range(rows)]
            # A long sum runs through the panels of A, 16 terms in each.
            length = args[1] if transposed else number(LANES)
            with cgutils.for_range_slice(builder, number(0), args[1], length, intp=whole) as (start, run):
                left = builder.sub(args[1], start)
                terms = builder.select(builder.icmp_signed("<", left, length), left, length)
                with cgutils.for_range(builder, terms, intp=whole) as loop:
                    k = builder.mul(builder.add(start, loop.index), number(LANES))
                    ahead = builder.mul(loop.index, number(LANES if transposed else 1))
                    factors = [
                        _load(builder, _vector_at(builder, data, at(b, b_panel, number(v), k))) for v in range(panels)
                    ]
                    for r in range(rows):
                        place = builder.gep(data, [at(a, a_panel, run, ahead)])
                        x = builder.load(builder.gep(place, [number(r if transposed else LANES * r)]))
                        x = _broadcast(context, builder, x, types.float32)
                        for v in range(panels):
                            term = builder.fmul(x, factors[v], flags=FUSED)
                            builder.store(builder.fadd(builder.load(sums[r][v]), term, flags=FUSED), sums[r][v])
            end = context.get_function(finish, ending)
            for v in range(panels):
                for r in range(rows):
                    place = at(c, c_panel, number(v), number(LANES * r))
                    end(builder, [builder.load(sums[r][v]), args[0], place, builder.add(index, number(v)), args[6]])
            return context.get_dummy_value()

        return types.none(array, K, A, B, C, finish, env), emit

    return product
