"""Training steps of one model after the other, everything in the cache of one thread: the compiled half of `fused`.

All numbers of a model live in one float32 array `s`, at the places that a row of `blocks` says. A matrix is cut into
panels of 16 columns (8 or 4 where it has no more), each panel contiguous and padded with rows to a multiple of 8. So
every product reads its right factor from one end to the other, whole tiles serve all sizes, and an element-wise pass
runs through a panel 16 numbers at a time. What stands in the padding never reaches a number that counts: sums over
examples, features and classes stop where those do, and all else works lane by lane.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from simlab.nn.order import STREAM, shuffle
from simlab.nn.simd import (
    ROUND,
    across,
    first,
    lane_numbers,
    load,
    load_like,
    magnitude,
    power_of_two,
    splat,
    square_root,
    store,
    tile,
    transpose,
    where_less,
)

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
F = np.float32

# The columns of `blocks`, a dense layer with its normalisation and activation in a row: sizes and kinds,
(IN, OUT, IN_LANES, LANES, BIAS, NORM, ACTIVATION, FLAT,
 # and places in `s`: input panels, output, slope (later the gradient), standardised output and its factor, weights and
 # their velocity, weights transposed, rows of bias, scale and shift and their velocity.
 X, Y, S, H, INV, W, V, WT, ROWS, ROW_V) = range(18)  # fmt: skip
SCALE, BIAS_SCALE, EPS, LEAK = range(4)  # the columns of `numbers`
ACTIVATIONS = ("none", "relu", "leaky_relu", "tanh", "erf", "gelu", "softplus")
NORMS = ("none", "bare", "affine")


# -- functions of a vector ---------------------------------------------------------------------------------------------

LOG2E, LN2_HIGH, LN2_LOW = F(1.4426950408889634), F(0.693359375), F(-2.12194440e-4)
TAYLOR = tuple(F(1 / np.prod(np.arange(1, n + 1))) for n in range(8))
ERF_ABOVE = tuple(map(F, (1.1283791, 0.19074109, 0.05278478, 0.0037778388, 0.00028477868, 2.0424085e-06)))
ERF_BELOW = tuple(map(F, (1, 0.5023726, 0.11423999, 0.014993857, 0.0011648037, 3.80071e-05)))
"""erf x = x p(x^2) / q(x^2) for |x| < 3.93, beyond which erf is 1 to rounding; fitted for the least relative error."""
ODD = tuple(F(2 / (2 * n + 1)) for n in range(8))
"""ln((1 + r) / (1 - r)) = 2 r + 2 r^3 / 3 + ...; for r < 1/3 eight terms leave 3e-9 of it."""
ROOT_HALF, INVERSE_ROOT_2PI, TWO_INVERSE_ROOT_PI = F(0.5**0.5), F((2 * np.pi) ** -0.5), F(2 * np.pi**-0.5)


@njit(**OPTIONS)
def horner(c, x):
    """c_0 + c_1 x + ... of six numbers."""
    return ((((x * c[5] + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0]


@njit(**OPTIONS)
def exp_minus_one(x):
    """(e^r - 1, 2^n) with x = r + n ln 2, for x up to 88; below -87.3 as there."""
    x = where_less(x, F(-87.3), F(-87.3), x)
    shifted = x * LOG2E + F(ROUND)
    n = shifted - F(ROUND)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    c = TAYLOR
    p = ((((r * c[7] + c[6]) * r + c[5]) * r + c[4]) * r + c[3]) * r + c[2]
    return p * (r * r) + r, power_of_two(shifted)


@njit(**OPTIONS)
def exp(x):
    """e^x for x up to 88."""
    rest, power = exp_minus_one(x)
    return where_less(x, F(-87.3), F(0), rest * power + power)


@njit(**OPTIONS)
def erf_of(x):
    x = where_less(F(3.93), x, F(3.93), x)
    x = where_less(x, F(-3.93), F(-3.93), x)
    z = x * x
    return x * horner(ERF_ABOVE, z) / horner(ERF_BELOW, z)


# An activation maps x to its value and slope. NaN passes through every one of them.


@njit(**OPTIONS)
def relu(x, leak):
    return where_less(x, F(0), F(0), x), where_less(F(0), x, F(1), F(0))


@njit(**OPTIONS)
def leaky_relu(x, leak):
    slope = where_less(F(0), x, F(1), leak)
    return x * slope, slope


@njit(**OPTIONS)
def tanh(x, leak):
    # By e^2x - 1, which keeps small numbers exact; at 9.1 tanh is 1 to rounding.
    x = where_less(F(9.1), x, F(9.1), x)
    x = where_less(x, F(-9.1), F(-9.1), x)
    rest, power = exp_minus_one(x + x)
    less = rest * power + (power - F(1))
    y = less / (less + F(2))
    return y, F(1) - y * y


@njit(**OPTIONS)
def erf(x, leak):
    return erf_of(x), exp(F(0) - x * x) * TWO_INVERSE_ROOT_PI


@njit(**OPTIONS)
def gelu(x, leak):
    below = erf_of(x * ROOT_HALF) * F(0.5) + F(0.5)
    return x * below, x * (exp(x * x * F(-0.5)) * INVERSE_ROOT_2PI) + below


@njit(**OPTIONS)
def softplus(x, leak):
    e = exp(F(0) - magnitude(x))
    r = e / (e + F(2))
    z = r * r
    c = ODD
    logarithm = ((((((z * c[7] + c[6]) * z + c[5]) * z + c[4]) * z + c[3]) * z + c[2]) * z + c[1]) * z + c[0]
    inverse = F(1) / (e + F(1))
    return where_less(x, F(0), F(0), x) + logarithm * r, where_less(x, F(0), e * inverse, inverse)


def each(function: Any) -> Any:
    """The pass of an activation over `count` numbers: values in place at y, slopes to slope."""

    @njit(**OPTIONS)
    def run(s, count, y, slope, leak):
        for i in range(0, count, 16):
            value, derivative = function(load(s, y + i), leak)
            store(value, s, y + i)
            store(derivative, s, slope + i)

    return run


each_relu, each_leaky_relu, each_tanh = each(relu), each(leaky_relu), each(tanh)
each_erf, each_gelu, each_softplus = each(erf), each(gelu), each(softplus)


@njit(**OPTIONS)
def activate(kind, s, count, y, slope, leak):
    if kind == 1:
        each_relu(s, count, y, slope, leak)
    elif kind == 2:
        each_leaky_relu(s, count, y, slope, leak)
    elif kind == 3:
        each_tanh(s, count, y, slope, leak)
    elif kind == 4:
        each_erf(s, count, y, slope, leak)
    elif kind == 5:
        each_gelu(s, count, y, slope, leak)
    elif kind == 6:
        each_softplus(s, count, y, slope, leak)


# -- products ----------------------------------------------------------------------------------------------------------


def product(finish: Any) -> Any:
    """C = A B tile by tile, each sum handed to `finish` while it is in registers."""
    wide, tall, short = tile(8, 2, 16), tile(16, 1, 16), tile(8, 1, 16)
    tall_8, short_8, tall_4, short_4 = tile(16, 1, 8), tile(8, 1, 8), tile(16, 1, 4), tile(8, 1, 4)

    @njit(**OPTIONS)
    def run(s, rows, panels, lanes, K, A, B, C, env):
        """rows: a multiple of 8. A = (place, row, panel of rows, k, panel of k, its length), B, C = (place, panel)."""
        a, a_row, a_rows, a_k, a_run, length = A
        b, b_panel = B
        c, c_panel = C
        for j in range(0, panels, 2):
            right, i = (b + j * b_panel, b_panel), 0
            if j + 2 <= panels:
                for i in range(0, rows, 8):
                    left = (a + (i // 16) * a_rows + (i % 16) * a_row, a_row, a_k, a_run, length)
                    wide(s, K, left, right, (c + j * c_panel + i * 16, c_panel, j), finish, env)
                continue
            for i in range(0, rows, 16):
                left = (a + (i // 16) * a_rows, a_row, a_k, a_run, length)
                to = (c + j * c_panel + i * lanes, c_panel, j)
                if i + 16 <= rows:
                    if lanes == 16:
                        tall(s, K, left, right, to, finish, env)
                    elif lanes == 8:
                        tall_8(s, K, left, right, to, finish, env)
                    else:
                        tall_4(s, K, left, right, to, finish, env)
                elif lanes == 16:
                    short(s, K, left, right, to, finish, env)
                elif lanes == 8:
                    short_8(s, K, left, right, to, finish, env)
                else:
                    short_4(s, K, left, right, to, finish, env)

    return run


@njit(**OPTIONS)
def affine(total, s, where, panel, env):
    """Forward: the scaled product plus the scaled bias."""
    scale, bias_scale, bias = env
    store(total * scale + load_like(total, s, bias + panel * 16) * bias_scale, s, where)


@njit(**OPTIONS)
def pulled(total, s, where, panel, env):
    """Backward: the scaled product times the slopes that stand in its place."""
    store(load_like(total, s, where) * (total * env[0]), s, where)


@njit(**OPTIONS)
def stepped(gradient, s, w, v, rates):
    """One step of the parameters at w with their velocity at v."""
    lr, momentum, coupled, lead, follow, decoupled, moving = rates
    old = load_like(gradient, s, w)
    gradient = old * coupled + gradient
    direction = gradient
    if moving:
        velocity = load_like(gradient, s, v) * momentum + gradient
        store(velocity, s, v)
        direction = velocity * follow + gradient * lead
    store(old - (old * decoupled + direction) * lr, s, w)


@njit(**OPTIONS)
def learned(total, s, where, panel, env):
    """The gradient in the weights, used at once."""
    scale, shift, rates = env
    stepped(total * scale, s, where, where + shift, rates)


forward, backward, learn = product(affine), product(pulled), product(learned)


# -- sums over examples, normalisation, loss ---------------------------------------------------------------------------


@njit(**OPTIONS)
def folded(v, lanes):
    """The sum of the lanes that belong to one column, in each of them."""
    if lanes < 16:
        v = v + across(v, 8)
        if lanes < 8:
            v = v + across(v, 4)
    return v


@njit(**OPTIONS)
def column_sum(s, place, count, lanes):
    """The sums of a panel over the examples, its first `count` numbers."""
    total = splat(F(0))
    other = splat(F(0))
    whole = count - count % 32
    for i in range(0, whole, 32):
        total = total + load(s, place + i)
        other = other + load(s, place + i + 16)
    for i in range(whole, count, 16):
        total = total + where_less(lane_numbers(), F(count - i), load(s, place + i), F(0))
    return folded(total + other, lanes)


@njit(**OPTIONS)
def standardise(s, count, lanes, n, eps, y, h, inv, scale, shift):
    """h = (y - mean) / sqrt(var + eps) and y = scale h + shift of one panel; inv gets the factor."""
    mean = column_sum(s, y, count, lanes) * (F(1) / n)
    spread = splat(F(0))
    for i in range(0, count, 16):
        centred = load(s, y + i) - mean
        store(centred, s, h + i)
        spread = spread + where_less(lane_numbers(), F(count - i), centred * centred, F(0))
    factor = F(1) / square_root(folded(spread, lanes) * (F(1) / n) + eps)
    store(factor, s, inv)
    for i in range(0, count, 16):
        value = load(s, h + i) * factor
        store(value, s, h + i)
        store(value * scale + shift, s, y + i)


@njit(**OPTIONS)
def project(s, count, lanes, n, d, h, inv, scale):
    """The gradient d in the normalised outputs of a panel becomes that in the inputs; returns those in scale, shift."""
    d_shift = column_sum(s, d, count, lanes)
    d_scale = splat(F(0))
    for i in range(0, count, 16):
        both = load(s, d + i) * load(s, h + i)
        d_scale = d_scale + where_less(lane_numbers(), F(count - i), both, F(0))
    d_scale = folded(d_scale, lanes)
    factor = load(s, inv) * scale
    mean, along = d_shift * (F(1) / n), d_scale * (F(1) / n)
    for i in range(0, count, 16):
        store(((load(s, d + i) - mean) - load(s, h + i) * along) * factor, s, d + i)
    return d_scale, d_shift


@njit(**OPTIONS)
def group_max(v, lanes):
    """The largest of `lanes` neighbouring lanes, in each of them."""
    if lanes == 16:
        other = across(v, 8)
        v = where_less(v, other, other, v)
    if lanes >= 8:
        other = across(v, 4)
        v = where_less(v, other, other, v)
    other = across(v, 2)
    v = where_less(v, other, other, v)
    other = across(v, 1)
    return where_less(v, other, other, v)


@njit(**OPTIONS)
def group_sum(v, lanes):
    """The sum of `lanes` neighbouring lanes, in each of them."""
    if lanes == 16:
        v = v + across(v, 8)
    if lanes >= 8:
        v = v + across(v, 4)
    v = v + across(v, 2)
    return v + across(v, 1)


@njit(**OPTIONS)
def cross_entropy(s, batch, height, panels, lanes, classes, smooth, y, d, labels, chosen):
    """The gradient of the loss to d, and whether the loss is finite; the outputs at y are shifted by their maxima."""
    count = batch * lanes
    column = lane_numbers()
    if lanes == 8:
        column = where_less(column, F(8), column, column - F(8))
    elif lanes == 4:
        for _ in range(3):
            column = where_less(column, F(4), column, column - F(4))
    share, spread = F(1) / F(batch), F(smooth) / F(classes)
    bad, total = splat(F(0)), splat(F(0))
    for i in range(0, count, 16):
        highest = splat(F(-np.inf))
        for p in range(panels):
            value = where_less(column, F(classes - 16 * p), load(s, y + p * height * lanes + i), F(-np.inf))
            # A NaN counts as the largest.
            highest = where_less(value, highest, highest, value)
        highest = group_max(highest, lanes)
        norm = splat(F(0))
        for p in range(panels):
            at = p * height * lanes + i
            shifted = where_less(column, F(classes - 16 * p), load(s, y + at) - highest, F(0))
            store(shifted, s, y + at)
            e = where_less(column, F(classes - 16 * p), exp(shifted), F(0))
            store(e, s, d + at)
            norm = norm + e
            counted = where_less(lane_numbers(), F(count - i), shifted, F(0))
            bad = bad + counted * F(0)
            total = total + counted
        factor = share / group_sum(norm, lanes)
        for p in range(panels):
            at = p * height * lanes + i
            e = where_less(column, F(classes - 16 * p), load(s, d + at) * factor - share * spread, F(0))
            store(e, s, d + at)
    value = first(group_sum(total, 16)) * -spread + first(group_sum(bad, 16))
    hit = (F(1) - F(smooth)) * share
    for i in range(batch):
        label = labels[chosen[i]]
        at = (label // 16) * height * lanes + i * lanes + label % 16
        s[d + at] -= hit
        value -= (F(1) - F(smooth)) * s[y + at]
    return np.isfinite(value)


@njit(**OPTIONS)
def squared_error(s, batch, height, panels, lanes, outputs, y, d, targets):
    """The gradient of the mean squared error to d, and whether the loss is finite."""
    factor = F(2) / F(batch * outputs)
    count = batch * lanes
    total = splat(F(0))
    for p in range(panels):
        column = lane_numbers()
        if lanes == 8:
            column = where_less(column, F(8), column, column - F(8))
        elif lanes == 4:
            for _ in range(3):
                column = where_less(column, F(4), column, column - F(4))
        for i in range(0, count, 16):
            at = p * height * lanes + i
            error = load(s, y + at) - load(s, targets + at)
            error = where_less(column, F(outputs - 16 * p), error, F(0))
            error = where_less(lane_numbers(), F(count - i), error, F(0))
            total = total + error * error
            store(error * factor, s, d + at)
    return np.isfinite(first(group_sum(total, 16)))


# -- one model ---------------------------------------------------------------------------------------------------------


@njit(**OPTIONS)
def up(n, multiple):
    return -(-n // multiple) * multiple


@njit(**OPTIONS)
def gather(s, place, height, lanes, features, source, start, chosen):
    """The chosen rows of `source`, a matrix from `start` on, as panels."""
    for i in range(chosen.shape[0]):
        row = start + np.int64(chosen[i]) * features
        for j in range(0, features, lanes):
            at = place + (j // lanes) * height * lanes + i * lanes
            if j + 16 <= features:
                store(load(source, row + j), s, at)
            else:
                for k in range(min(lanes, features - j)):
                    s[at + k] = source[row + j + k]


@njit(**OPTIONS)
def move(s, matrix, rows, row_flat, back, lanes, n_in, n_out, panel):
    """Copy weights (in, out) between a row of `flat` and their panels; back: from the panels."""
    for i in range(n_in):
        for j in range(n_out):
            at = matrix + (j // lanes) * panel + i * lanes + j % lanes
            if back:
                row_flat[rows + i * n_out + j] = s[at]
            else:
                s[at] = row_flat[rows + i * n_out + j]


@njit(**OPTIONS)
def move_row(s, place, start, row_flat, back, lanes, n_out):
    """Copy a bias, scale or shift (out), repeated in the 16 lanes of a narrow panel."""
    for j in range(n_out):
        if back:
            row_flat[start + j] = s[place + j]
        else:
            for k in range(0, 16 if lanes < 16 else 1, lanes):
                s[place + j + k] = row_flat[start + j]


@njit(**OPTIONS)
def move_all(s, blocks, row_flat, back, velocity):
    """Copy the parameters of a model, or their velocity, between a row of `flat` and the scratch."""
    for k in range(blocks.shape[0]):
        B = blocks[k]
        n_in, n_out, lanes = B[IN], B[OUT], B[LANES]
        place, rows = (B[V], B[ROW_V]) if velocity else (B[W], B[ROWS])
        width, start = up(n_out, 16), B[FLAT]
        move(s, place, start, row_flat, back, lanes, n_in, n_out, up(n_in, 16) * lanes)
        start += n_in * n_out
        if B[BIAS]:
            move_row(s, rows, start, row_flat, back, lanes, n_out)
            start += n_out
        if B[NORM] == 2:
            move_row(s, rows + width, start, row_flat, back, lanes, n_out)
            move_row(s, rows + 2 * width, start + n_out, row_flat, back, lanes, n_out)


@njit(**OPTIONS)
def turn(s, W, WT, n_in, n_out, in_lanes, lanes):
    """The transpose of the weights, (out, in) in panels of the width of the input's."""
    height, width = up(n_in, 16), up(n_out, 16)
    if lanes == 16 and in_lanes == 16:
        for j in range(0, width, 16):
            for i in range(0, height, 16):
                transpose(s, W + j * height + i * 16, WT + i * width + j * 16)
    else:
        for i in range(n_in):
            for j in range(n_out):
                s[WT + (i // in_lanes) * width * in_lanes + j * in_lanes + i % in_lanes] = s[
                    W + (j // lanes) * height * lanes + i * lanes + j % lanes
                ]


@njit(**OPTIONS)
def outputs(s, blocks, numbers, batch):
    """Forward through all blocks."""
    height = up(batch, 8)
    for k in range(blocks.shape[0]):
        B, c = blocks[k], numbers[k]
        n_in, lanes, in_lanes = B[IN], B[LANES], B[IN_LANES]
        width = up(B[OUT], 16)
        panels = (B[OUT] + lanes - 1) // lanes
        A = (B[X], in_lanes, 16 * in_lanes, 1, height * in_lanes, 16)
        env = (c[SCALE], c[BIAS_SCALE], B[ROWS])
        forward(s, height, panels, lanes, n_in, A, (B[W], up(n_in, 16) * lanes), (B[Y], height * lanes), env)
        if B[NORM]:
            for p in range(panels):
                at, row = p * height * lanes, B[ROWS] + p * 16
                standardise(s, batch * lanes, lanes, F(batch), c[EPS], B[Y] + at, B[H] + at, B[INV] + p * 16,
                            load(s, row + width), load(s, row + 2 * width))  # fmt: skip
        activate(B[ACTIVATION], s, panels * height * lanes, B[Y], B[S], c[LEAK])


@njit(**OPTIONS)
def descend(s, blocks, numbers, batch, rates):
    """Backward from the gradient in the outputs, each block's parameters stepped once the block below has its share."""
    height = up(batch, 8)
    for k in range(blocks.shape[0] - 1, -1, -1):
        B, c = blocks[k], numbers[k]
        n_in, n_out, lanes, in_lanes = B[IN], B[OUT], B[LANES], B[IN_LANES]
        width = up(n_out, 16)
        panels = (n_out + lanes - 1) // lanes
        for p in range(panels):
            at, row, velocity = B[S] + p * height * lanes, B[ROWS] + p * 16, B[ROW_V] + p * 16
            if B[NORM]:
                scale, shift = project(s, batch * lanes, lanes, F(batch), at, B[H] + p * height * lanes,
                                       B[INV] + p * 16, load(s, row + width))  # fmt: skip
                if B[NORM] == 2:
                    stepped(scale, s, row + width, velocity + width, rates)
                    stepped(shift, s, row + 2 * width, velocity + 2 * width, rates)
            if B[BIAS]:
                stepped(column_sum(s, at, batch * lanes, lanes) * c[BIAS_SCALE], s, row, velocity, rates)
        weights = (B[W], up(n_in, 16) * lanes)
        if k > 0:
            turn(s, B[W], B[WT], n_in, n_out, in_lanes, lanes)
            A = (B[S], lanes, 16 * lanes, 1, height * lanes, 16)
            below = (blocks[k - 1, S], height * in_lanes)
            backward(s, height, (n_in + in_lanes - 1) // in_lanes, in_lanes, n_out, A, (B[WT], width * in_lanes), below,
                     (c[SCALE],))  # fmt: skip
        A = (B[X], 1, height * in_lanes, in_lanes, 0, batch)
        env = (c[SCALE], B[V] - B[W], rates)
        learn(s, up(n_in, 8), panels, lanes, batch, A, (B[S], height * lanes), weights, env)


@njit(**OPTIONS, cache=True)
def train(
    begin, end, flat, velocity, x, labels, targets, strides, lr, momentum, weight_decay, blocks, numbers, s, order,
    plan, keys, models, alive, diverged,
):  # fmt: skip
    """Models begin ... end - 1 through the steps of lr.

    strides: from the data of one model to the next, of x, labels and targets. plan: (n, batch_size, step, has momentum,
    nesterov, decoupled, cross-entropy, place of the targets). s and order: this thread's own scratch.
    """
    n, batch, step, moving, nesterov, decoupled, classify, goal = plan
    per_epoch = n // batch
    last = blocks.shape[0] - 1
    B = blocks[last]
    out, lanes = B[OUT], B[LANES]
    panels = (out + lanes - 1) // lanes
    height = up(batch, 8)
    smooth = numbers[last, LEAK]
    for m in range(begin, end):
        if not alive[m] or diverged[m] >= 0:
            continue
        move_all(s, blocks, flat[m], False, False)
        if moving:
            move_all(s, blocks, velocity[m], False, True)
        wd = weight_decay[m]
        lead, follow = (F(1), momentum[m]) if nesterov else (F(0), F(1))
        coupled, apart = (F(0), wd) if decoupled else (wd, F(0))
        shuffled = -1
        for t in range(lr.shape[0]):
            epoch, place = (step + t) // per_epoch, (step + t) % per_epoch * batch
            if batch == n:
                if t == 0:
                    for i in range(n):
                        order[i] = i
            elif shuffled != epoch:
                shuffle(keys[0], keys[1], STREAM, models[m], epoch, order)
                shuffled = epoch
            chosen = order[place : place + batch]
            if batch < n or t == 0:
                gather(s, blocks[0, X], height, blocks[0, IN_LANES], blocks[0, IN], x, m * strides[0], chosen)
                if not classify:
                    gather(s, goal, height, lanes, out, targets, m * strides[2], chosen)
            outputs(s, blocks, numbers, batch)
            if classify:
                finite = cross_entropy(s, batch, height, panels, lanes, out, smooth, B[Y], B[S],
                                       labels[m * strides[1] : m * strides[1] + n], chosen)  # fmt: skip
            else:
                finite = squared_error(s, batch, height, panels, lanes, out, B[Y], B[S], goal)
            if not finite:
                diverged[m] = step + t
                break
            descend(s, blocks, numbers, batch, (lr[t, m], momentum[m], coupled, lead, follow, apart, moving))
        move_all(s, blocks, flat[m], True, False)
        if moving:
            move_all(s, blocks, velocity[m], True, True)
