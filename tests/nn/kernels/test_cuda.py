"""The kernel that keeps a model on the chip: its text, built as C++, is the plain loop over batches."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlab import nn
from simlab.core.device import Device
from simlab.nn.kernels.cuda import advance as persistent
from simlab.nn.kernels.cuda.layout import Layout, layout, stride
from simlab.nn.kernels.cuda.text import source
from simlab.nn.kernels.plan import Plan, Stack, Steps, plan
from simlab.random import key
from simlab.random import shuffle as order
from tests.sde import host_cuda

LIMIT = host_cuda.SHARED_MEMORY
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "erf", "gelu", "softplus")
NORMS = (None, partial(nn.batch_norm, eps=0.1), partial(nn.batch_norm, eps=0.1, affine=False))
KEY = key(11)
WAIT = "__syncthreads();"


class Case(NamedTuple):
    """A stack to train, on the host."""

    net: Any
    loss: Any
    params: Any
    x: np.ndarray
    y: np.ndarray
    models: np.ndarray
    batch: int
    lr: np.ndarray
    momentum: np.ndarray
    weight_decay: np.ndarray
    nesterov: bool = False
    decoupled: bool = False
    step: int = 0
    moving: bool = True

    @property
    def plan(self) -> Plan:
        found = plan(self.net, self.loss)
        assert found is not None
        return found

    def layout(self, threads: int, limit: int = LIMIT) -> Layout:
        found = layout(self.plan, self.batch, self.moving, limit, threads, self.x.dtype.name)
        assert found is not None
        return found


def case(
    widths: tuple[int, ...] = (5, 7, 3), activation: Any = "relu", norm: Any = None, loss: Any = nn.cross_entropy,
    *, models: int = 3, n: int = 19, batch: int = 6, steps: int = 8, dtype: str = "float64", seed: int = 0,
    apart: bool = False, scaling: Any = "standard", **options: Any,
) -> Case:  # fmt: skip
    """Random data and parameters; rates differ between models and steps."""
    rng = np.random.default_rng(seed)
    net = nn.mlp(widths, activation, norm, scaling)
    params = nn.init(net, models=models, seed=seed, dtype=dtype)
    flat = nn.flatten(params)
    params = nn.unflatten(params, (flat + 0.2 * rng.standard_normal(flat.shape)).astype(dtype))
    shape = (models, n) if apart else (n,)
    x = rng.standard_normal((*shape, widths[0])).astype(dtype)
    mse = isinstance(loss, nn.MeanSquaredError)
    y = rng.standard_normal((*shape, widths[-1])).astype(dtype) if mse else rng.integers(0, widths[-1], shape)
    lr, momentum, decay = rng.uniform(0, 0.1, (steps, models)), rng.uniform(0, 0.9, models), rng.uniform(0, 0.1, models)
    lr, momentum, decay = (a.astype(dtype) for a in (lr, momentum, decay))
    index = 5 + 3 * np.arange(models)
    return Case(net, loss, params, x, y, index, batch, lr, momentum, decay, **options)


def plain(c: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The loop: (parameters, velocity, diverged)."""
    w = nn.flatten(c.params)
    v, diverged = np.zeros_like(w), np.full(len(w), -1)
    n, rows = c.x.shape[-2], np.arange(len(w))[:, None]
    momentum, decay = (a[:, None] for a in (c.momentum, c.weight_decay))
    for t, lr in enumerate(c.lr):
        step = c.step + t
        places = order.batches(KEY, c.models, n, c.batch, step)[step % (n // c.batch)]
        if c.batch == n:
            places = np.broadcast_to(np.arange(n), places.shape)
        core = 1 if c.y.dtype.kind in "iu" else 2
        x, y = (a[places] if a.ndim == k else a[rows, places] for a, k in ((c.x, 2), (c.y, core)))
        with np.errstate(all="ignore"):
            value, grads = nn.value_and_grad(c.net, c.loss, nn.unflatten(c.params, w), x, y)
            g = nn.flatten(grads) + (0 if c.decoupled else decay * w)
            u = momentum * v + g if c.moving else v
            direction = g if not c.moving else g + momentum * u if c.nesterov else u
            moved = w - lr[:, None] * (direction + (decay * w if c.decoupled else 0))
        diverged = np.where((diverged < 0) & ~np.isfinite(value), step, diverged)
        on = (diverged < 0)[:, None]
        w, v = np.where(on, moved, w).astype(w.dtype), np.where(on, u, v).astype(w.dtype)
    return w, v, diverged


def trained(
    c: Case, layout: Layout, cuts: tuple[int, ...] = (), frozen: Any = (), device: Device | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kernel, called anew at every cut: (parameters, velocity, diverged)."""
    device = device or host_cuda.device()
    alive = np.ones(len(c.models), bool)
    alive[list(frozen)] = False
    flat = device.asarray(nn.flatten(c.params).copy())
    velocity = device.asarray(np.zeros(flat.shape, c.x.dtype))
    diverged = device.asarray(np.full(len(alive), -1))
    x, y, lr, momentum, decay, on = (
        device.asarray(a) for a in (c.x, c.y, c.lr, c.momentum, c.weight_decay, alive)
    )  # fmt: skip
    for a, b in pairwise((0, *cuts, len(c.lr))):
        stack = Stack(flat, velocity if c.moving else None, on, diverged)
        steps = Steps(KEY, c.models, c.step + a, lr[a:b], momentum, decay, c.nesterov, c.decoupled)
        persistent.advance(layout, stack, x, y, steps)
    return device.to_host(flat), device.to_host(velocity), device.to_host(diverged)


def close(found: Any, expected: Any, c: Case) -> None:
    """Equal to rounding.

    A sum of up to 128 terms errs by some sqrt(128) = 11 eps of its size. Up to 20 steps add such errors, and hardly
    enlarge them at these rates: sqrt(20) x 11 = 50 eps, here four times that.
    """
    eps = float(np.finfo(c.x.dtype).eps)
    for a, b in zip(found[:2], expected[:2], strict=True):
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=0, atol=200 * eps * max(1, abs(b).max()))
    np.testing.assert_array_equal(found[2], expected[2])


@pytest.fixture(autouse=True)
def _card(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("gpu") is None:
        host_cuda.install(monkeypatch)


@st.composite
def cases(draw: Any) -> Case:
    widths = tuple(draw(st.lists(st.integers(1, 9), min_size=2, max_size=4)))
    loss = draw(st.sampled_from([nn.mse, nn.cross_entropy, nn.CrossEntropy(0.1)]))
    return case(
        widths, draw(st.sampled_from(ACTIVATIONS)), draw(st.sampled_from(NORMS)), loss,
        batch=draw(st.sampled_from([2, 5, 19])), seed=draw(st.integers(0, 99)), apart=draw(st.booleans()),
        scaling=draw(st.sampled_from(["standard", "ntk", "mup"])), nesterov=draw(st.booleans()),
        decoupled=draw(st.booleans()), step=draw(st.integers(0, 50)), moving=draw(st.booleans()),
    )  # fmt: skip


def test_every_wait_of_the_threads_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one of them some sum goes wrong, so that no wait is missing where the results are right."""
    c = case((6, 9, 7, 3), "relu", NORMS[1], models=2, n=60, batch=20)
    chosen, expected = c.layout(24), plain(c)
    first, *parts = source(chosen).split(WAIT)
    text = 'static int without() { return atoi(getenv("WITHOUT")); }' + first
    text += "".join(f"if (without() != {k}) {WAIT}{part}" for k, part in enumerate(parts))
    monkeypatch.setattr(persistent, "source", lambda layout: text)
    persistent._train.cache_clear()
    monkeypatch.setenv("WITHOUT", "-1")
    close(trained(c, chosen), expected, c)
    for k in range(len(parts)):
        monkeypatch.setenv("WITHOUT", str(k))
        with pytest.raises(AssertionError):
            close(trained(c, chosen), expected, c)
    persistent._train.cache_clear()


# Every example is compiled, for a second or so.
@settings(max_examples=6)
@given(cases(), st.sampled_from([1, 3, 32]), st.booleans())
def test_the_kernel_is_the_loop(c: Case, threads: int, small: bool) -> None:
    chosen = c.layout(threads)
    if small:  # no room for anything that may lie elsewhere
        rest = [p.at for p in chosen.places if p.name[0] in "XGHV"]
        chosen = c.layout(threads, min(rest) * c.x.itemsize)
        assert chosen.work > 0
    close(trained(c, chosen), plain(c), c)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_thread_and_several_train_as_the_loop(activation: str) -> None:
    norm = NORMS[1] if activation in ("relu", "gelu") else None
    for dtype, threads in (("float64", 1), ("float32", 7), ("float32", 64)):
        c = case((6, 20, 9, 3), activation, norm, batch=13, dtype=dtype, models=2)
        close(trained(c, c.layout(threads)), plain(c), c)


@pytest.mark.parametrize("on_chip", [True, False])
@pytest.mark.parametrize("n", [1, 2, 133])
def test_orders_are_those_of_the_host(n: int, on_chip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    card, models = host_cuda.device(), np.array([3, 2**32 - 1])
    if not on_chip:
        monkeypatch.setitem(host_cuda.PROPERTIES, "sharedMemPerBlockOptin", 4 * (4 * persistent.LANES + n) - 1)
    found = persistent.orders(KEY, card.asarray(models, np.uint32), n, 7, 3, card)
    for epoch in range(3):
        np.testing.assert_array_equal(card.to_host(found)[epoch], order.batches(KEY, models, n, n, 7 + epoch)[0])


def test_steps_in_pieces_are_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case(steps=20, step=1, dtype="float32", norm="batch", activation="tanh", nesterov=True)
    chosen = c.layout(3)
    whole = trained(c, chosen)
    monkeypatch.setattr(persistent, "ORDERS", 4 * 19 * 3 * 2)  # two epochs at a time
    for found in (trained(c, chosen), trained(c, chosen, cuts=(1, 7, 8))):
        for a, b in zip(found, whole, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_model_is_the_same_alone() -> None:
    c = case(dtype="float32", models=3)
    chosen = c.layout(2)
    whole = trained(c, chosen)
    alone = replace_model(c, 1)
    for a, b in zip(trained(alone, chosen), whole, strict=True):
        np.testing.assert_array_equal(a[0], b[1])


def replace_model(c: Case, m: int) -> Case:
    """One model of the stack."""
    part = slice(m, m + 1)
    numbers = {name: getattr(c, name)[..., part] for name in ("lr", "momentum", "weight_decay")}
    return c._replace(params=nn.select(c.params, part), models=c.models[part], **numbers)


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.mse])
@pytest.mark.parametrize("shift", [0, 3])
def test_a_diverging_model_stops_and_a_frozen_one_never_moves(loss: Any, shift: int) -> None:
    c = case(loss=loss, models=4, steps=12, step=shift, dtype="float32", decoupled=True)
    c.lr[4:, 1] = 1e30
    expected, found = plain(c), trained(c, c.layout(2), cuts=(9,), frozen=[2])
    assert expected[2].tolist()[0] == -1
    assert expected[2][1] >= 4 + shift
    expected[0][2], expected[1][2] = nn.flatten(c.params)[2], 0
    np.testing.assert_array_equal(found[2], expected[2])
    # The diverging model's own numbers have no common scale with the others'.
    for m in (0, 2, 3):
        close([a[[m]] for a in found], [a[[m]] for a in expected], c)
    start = nn.flatten(c.params)[1]
    assert (found[0][1] != start).all()
    np.testing.assert_array_equal(found[0][2], nn.flatten(c.params)[2])


def test_not_a_number_passes_every_activation() -> None:
    for activation in ACTIVATIONS:
        c = case((6, 20, 9, 3), activation, models=1, batch=13, steps=2)
        c.x[:] = np.nan
        found = trained(c, c.layout(1))
        assert found[2].tolist() == [0]
        np.testing.assert_array_equal(found[0], nn.flatten(c.params))


def test_rows_start_in_different_banks() -> None:
    for n in range(1, 200):
        assert stride(n) >= n
        assert len({row * stride(n) // 4 % 8 for row in range(8)}) == 8  # 8 reads of 16 bytes cover the 32 banks once


def test_what_does_not_fit_is_left_out_in_order_and_a_large_net_refused() -> None:
    net = nn.mlp([64, 128, 128, 10], "relu", "batch")
    found = plan(net, nn.cross_entropy)
    assert found is not None
    large = layout(found, 128, True, LIMIT)
    assert large is not None
    assert large.shared_bytes <= LIMIT
    places = {p.name: p for p in large.places}
    assert all(p.on_chip for name, p in places.items() if name[0] == "Y")
    assert not places["V1"].on_chip
    assert layout(found, 256, True, LIMIT) is None  # the values alone take 270 kB
    ends = sorted((p.on_chip, p.at) for p in large.places)
    assert len(set(ends)) == len(ends)
    assert all(p.at % 4 == 0 for p in large.places)


def test_velocities_leave_the_chip_where_all_models_then_work_at_once() -> None:
    card, found = host_cuda.device(), plan(nn.mlp([64, 8, 8, 10], "relu", "batch"), nn.cross_entropy)
    assert found is not None
    few, many = (persistent.kernel(found, 32, momentum=True, models=m, device=card) for m in (500, 1024))
    assert few is not None
    assert many is not None
    assert few.work == 0
    # 8 models to a processor, with the bytes that each block reserves.
    assert 8 * (many.shared_bytes + 1024) <= host_cuda.PROPERTIES["sharedMemPerMultiprocessor"]
    assert {p.name[0] for p in many.places if not p.on_chip} == {"V"}
    most = persistent.kernel(found, 32, momentum=True, models=100_000, device=card)
    assert most == few


def test_arrays_that_do_not_fit_the_kernel_are_refused() -> None:
    c = case(dtype="float32")
    for change, message in (
        ({"moving": False}, "agree on momentum"),
        ({"params": nn.init(c.net, models=3, dtype="float64")}, r"flat must be contiguous float32 of shape \(3, 66\)"),
        ({"params": nn.init(nn.mlp([5, 6, 3]), models=3)}, "flat must be contiguous"),
        ({"x": c.x[:, 1:]}, r"features must have shape \(19, 5\) or \(3, 19, 5\), got \(19, 4\)"),
        ({"y": np.ones((19, 3))}, r"targets must have shape \(19,\)"),
        ({"y": np.ones(19)}, "labels must be integers"),
        ({"x": c.x[:5], "y": c.y[:5]}, "batches of 6 and there are 5 examples"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            trained(c._replace(**change), c.layout(1))
        assert str(caught.value).endswith(".")


def test_a_leak_of_ones_own() -> None:
    c = case(activation=nn.leaky_relu(0.3))
    close(trained(c, c.layout(2)), plain(c), c)


@pytest.mark.gpu
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize("width", [8, 128])
def test_a_card_trains_as_the_loop(width: int, activation: str, norm: Any) -> None:
    device = Device.open("gpu")
    c = case((64, width, width, 10), activation, norm, models=5, n=200, batch=64, dtype="float32", steps=8, step=2)
    chosen = persistent.kernel(c.plan, c.batch, momentum=True, models=5, device=device)
    assert chosen is not None
    whole = trained(c, chosen, device=device)
    close(whole, plain(c), c)
    for a, b in zip(trained(c, chosen, cuts=(3,), device=device), whole, strict=True):
        np.testing.assert_array_equal(a, b)
