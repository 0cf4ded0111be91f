"""Vectors of float32 for numba, and a register-blocked product of matrices: plain LLVM vectors, no processor's own.

A `Vector` of 16, 8 or 4 lanes is a value like any other in compiled code: `load` and `store` move it, + - * / work lane
by lane with numbers spread over the lanes, and products that are added are fused. LLVM takes registers of 512 bits
where there are any and splits the vectors where there are none.
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
FUSED = ("contract",)


class Vector(types.Type):
    """So many float32 in one register."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Vector({lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(F32, kind.lanes))


def _spread(context: Any, builder: Any, value: Any, kind: Any, lanes: int) -> Any:
    """A vector as it is, or a number in every lane."""
    if isinstance(kind, Vector):
        return value
    number = context.cast(builder, value, kind, types.float32)
    vector = ir.VectorType(F32, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def _arithmetic(operation: Any, name: str) -> None:
    """Let numba apply a Python operator to vectors, or to a vector and a number."""

    @infer_global(operation)
    class Typed(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, keywords: Any) -> Any:
            vectors = [kind for kind in args if isinstance(kind, Vector)]
            return signature(vectors[0], *args) if vectors and len(args) == 2 else None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = sig.return_type.lanes
        values = (_spread(context, builder, v, kind, lanes) for v, kind in zip(args, sig.args, strict=True))
        return getattr(builder, name)(*values, flags=FUSED)

    for kinds in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(operation, *kinds)(emit)


for _operator, _name in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("truediv", "fdiv")):
    _arithmetic(getattr(operator, _operator), _name)


def _place(context: Any, builder: Any, array_kind: Any, array: Any, offset: Any, lanes: int) -> Any:
    """The address of entry `offset` of a contiguous array, as that of a vector."""
    data = context.make_array(array_kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), ir.VectorType(F32, lanes).as_pointer())


def _load(builder: Any, address: Any) -> Any:
    return builder.load(address, align=4)


@intrinsic
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """The 16 entries of a contiguous array from an offset on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(builder, _place(context, builder, array, *args, LANES))

    return Vector(LANES)(array, INT), emit


@intrinsic
def load_like(typing_context: Any, vector: Any, array: Any, offset: Any) -> Any:
    """As many entries as the vector has lanes."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(builder, _place(context, builder, array, *args[1:], vector.lanes))

    return vector(vector, array, INT), emit


@intrinsic
def store(typing_context: Any, vector: Any, array: Any, offset: Any) -> Any:
    """Write a vector into a contiguous array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[0], _place(context, builder, array, *args[1:], vector.lanes), align=4)
        return context.get_dummy_value()

    return types.none(vector, array, INT), emit


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """A number in all 16 lanes."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(context, builder, args[0], number, LANES)

    return Vector(LANES)(number), emit


@intrinsic
def lane_numbers(typing_context: Any) -> Any:
    """0, 1, ..., 15."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(ir.VectorType(F32, LANES), [float(i) for i in range(LANES)])

    return Vector(LANES)(), emit


@intrinsic
def where_less(typing_context: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes with a < b, `no` elsewhere, as beside a NaN."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = [_spread(context, builder, v, kind, LANES) for v, kind in zip(args, sig.args, strict=True)]
        return builder.select(builder.fcmp_ordered("<", values[0], values[1]), values[2], values[3])

    return Vector(LANES)(a, b, yes, no), emit


@intrinsic
def across(typing_context: Any, vector: Any, distance: Any) -> Any:
    """Lane i takes what lane i xor distance holds; distance is a literal power of two below 16."""
    if not isinstance(distance, types.IntegerLiteral):
        return None
    step = distance.literal_value

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        mask = ir.Constant(ir.VectorType(I32, LANES), [i ^ step for i in range(LANES)])
        return builder.shuffle_vector(args[0], args[0], mask)

    return vector(vector, distance), emit


@intrinsic
def first(typing_context: Any, vector: Any) -> Any:
    """The number in lane 0."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], ir.Constant(I32, 0))

    return types.float32(vector), emit


def _function(name: str) -> Any:
    """An LLVM function of one vector."""

    @intrinsic
    def function(typing_context: Any, vector: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(args[0].type, [args[0].type])
            called = cgutils.get_or_insert_function(builder.module, kind, f"{name}.v{vector.lanes}f32")
            return builder.call(called, args)

        return vector(vector), emit

    return function


square_root, magnitude = _function("llvm.sqrt"), _function("llvm.fabs")


@intrinsic
def power_of_two(typing_context: Any, vector: Any) -> Any:
    """2^n of n + ROUND, a whole number n from -126 to 127: its bits moved to where an exponent stands."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole = ir.VectorType(I32, vector.lanes)
        one, place = (ir.Constant(whole, [c] * vector.lanes) for c in (127 << 23, 23))
        return builder.bitcast(builder.add(builder.shl(builder.bitcast(args[0], whole), place), one), args[0].type)

    return vector(vector), emit


@intrinsic
def transpose(typing_context: Any, array: Any, source: Any, target: Any) -> Any:
    """Write the transpose of 16 x 16 contiguous entries at `source` to `target` of the same array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        offsets = [ir.Constant(args[1].type, LANES * i) for i in range(LANES)]
        at = [[_place(context, builder, array, args[0], builder.add(o, i), LANES) for i in offsets] for o in args[1:]]
        rows = [_load(builder, address) for address in at[0]]
        distance = LANES // 2
        # Exchange the off-diagonal quarters, then those of the quarters, and so on.
        while distance:
            masks = [[i if not i & distance else i + LANES - distance for i in range(LANES)],
                     [i + distance if not i & distance else i + LANES for i in range(LANES)]]  # fmt: skip
            low, high = (ir.Constant(ir.VectorType(I32, LANES), mask) for mask in masks)
            for i in range(LANES):
                if not i & distance:
                    a, b = rows[i], rows[i + distance]
                    rows[i], rows[i + distance] = builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)
            distance //= 2
        for row, address in zip(rows, at[1], strict=True):
            builder.store(row, address, align=4)
        return context.get_dummy_value()

    return types.none(array, INT, INT), emit


def tile(rows: int, vectors: int, lanes: int) -> Any:
    """The product of `rows` rows of A with `vectors` panels of B, all of it in registers.

    The compiled function takes (array, K, A, B, C, finish, env) with A = (a, row, k, run, length), B = (b, panel) and
    C = (c, panel, index): offsets and strides in entries of the array. A_ik is at
    a + i row + (k // length) run + (k % length) k, B_kj at b + k lanes + j. It ends with
    finish(sum, array, where, index, env) for every row and panel: the place and the number of the panel.
    """
    kind = Vector(lanes)

    @intrinsic
    def product(typing_context: Any, array: Any, K: Any, A: Any, B: Any, C: Any, finish: Any, env: Any) -> Any:
        ending = typing_context.resolve_function_type(finish, (kind, array, INT, INT, env), {})

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            K = args[1]
            a, a_row, a_k, a_run, run = cgutils.unpack_tuple(builder, args[2])
            b, b_panel = cgutils.unpack_tuple(builder, args[3])
            c, c_panel, panel = cgutils.unpack_tuple(builder, args[4])
            whole = K.type
            vector = ir.VectorType(F32, lanes)
            data = context.make_array(array)(context, builder, args[0]).data
            sums = [[cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(vectors)]
                    for _ in range(rows)]  # fmt: skip
            number = [ir.Constant(whole, i) for i in range(max(rows, vectors, lanes) + 1)]
            firsts = [builder.gep(data, [builder.add(a, builder.mul(number[r], a_row))]) for r in range(rows)]
            panels = [builder.gep(data, [builder.add(b, builder.mul(number[v], b_panel))]) for v in range(vectors)]
            with cgutils.for_range_slice(builder, number[0], K, run, intp=whole) as (start, count):
                left = builder.sub(K, start)
                here = builder.select(builder.icmp_signed("<", left, run), left, run)
                jump = builder.mul(count, a_run)
                with cgutils.for_range(builder, here, intp=whole) as loop:
                    at_a = builder.add(jump, builder.mul(loop.index, a_k))
                    at_b = builder.mul(builder.add(start, loop.index), ir.Constant(whole, lanes))
                    bs = [_load(builder, builder.bitcast(builder.gep(p, [at_b]), vector.as_pointer())) for p in panels]
                    for r in range(rows):
                        x = builder.load(builder.gep(firsts[r], [at_a]))
                        x = _spread(context, builder, x, types.float32, lanes)
                        for v in range(vectors):
                            new = builder.fadd(builder.load(sums[r][v]), builder.fmul(x, bs[v], flags=FUSED), flags=FUSED)
                            builder.store(new, sums[r][v])
            end = context.get_function(finish, ending)
            for v in range(vectors):
                for r in range(rows):
                    where = builder.add(c, builder.add(ir.Constant(whole, r * lanes), builder.mul(number[v], c_panel)))
                    end(builder, [builder.load(sums[r][v]), args[0], where, builder.add(panel, number[v]), args[6]])
            return context.get_dummy_value()

        return types.none(array, K, A, B, C, finish, env), emit

    return product
