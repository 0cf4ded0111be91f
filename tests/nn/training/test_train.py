"""Training: a stack is its models alone, a run is its pieces, a model that is frozen leaves the others alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlab import nn
from simlab.nn.layers.layer import every_array, leaves
from simlab.random import key
from simlab.random.shuffle import batches
from tests.nn import nets
from tests.refusals import refused_in_one_sentence
from tests.sde import host_cuda

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 5))
LABELS = RNG.integers(0, 3, 40)
TARGETS = RNG.standard_normal((40, 3))
NET = nn.mlp([5, 7, 3], "tanh")
BATCH = nn.mlp([5, 7, 3], norm="batch")
OPTIMISERS: dict[str, Any] = {
    "plain": nn.SGD(0.1),
    "momentum": nn.SGD(0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": nn.SGD(nn.Cosine(0.1, 20), momentum=0.9, nesterov=True),
    "decoupled": nn.SGD(nn.WarmUp(0.1, 3), momentum=0.5, weight_decay=0.1, decoupled=True),
    "sphere": nn.SphereSGD(0.1, momentum=0.5),
    "label noise": nn.LabelNoiseSGD(0.1, noise=0.3),
    "langevin": nn.SGLD(0.01, temperature=0.1),
    "adam": nn.Adam(0.01, weight_decay=0.1),
}
some_optimiser = st.sampled_from(sorted(OPTIMISERS))


def trained(net: Any = NET, y: Any = LABELS, optimiser: Any = None, **options: Any) -> Any:
    """A short run in float64."""
    params = options.pop("params", None) or nn.init(net, models=3, dtype="float64")
    options = {"batch_size": 7, "steps": 12, "seed": 5} | options
    data: Any = "data" if y is None else (X, y)
    return nets.trained(net, params, data, optimiser or OPTIMISERS["momentum"], **options)


def same(a: Any, b: Any) -> None:
    """The same bits in every array, statistics among them."""
    for one, other in zip(*(every_array(tree) for tree in (a, b)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("y", [LABELS, TARGETS], ids=["labels", "targets"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_model_trains_in_a_stack_as_it_does_alone(name: str, y: np.ndarray, dtype: str) -> None:
    optimiser = OPTIMISERS[name]
    params = nn.init(NET, models=4, dtype=dtype)
    together, _ = trained(NET, y, optimiser, params=params)
    alone, found = trained(NET, y, optimiser, params=nn.select(params, [2]), models=[2])
    same(alone, nn.select(together, [2]))
    assert found.model.values.tolist() == [2]


@given(st.integers(1, 40), st.booleans(), st.booleans(), st.integers(1, 15))
@settings(max_examples=20)
def test_training_is_gradient_steps_on_the_batches_of_order(size: int, own_x: bool, own_y: bool, steps: int) -> None:
    x = np.stack([X, -X]) if own_x else X
    y = np.stack([LABELS, LABELS[::-1]]) if own_y else LABELS
    params = nn.init(NET, models=2, dtype="float64")
    end, _ = nn.train(NET, params, (x, y), nn.SGD(0.2), batch_size=size, steps=steps, seed=5)
    w = nn.flatten(params)
    for step in range(steps):
        places = batches(key(5, 1), np.arange(2), 40, size, step)[step % (40 // size)] if size < 40 else None
        for m in range(2):
            rows = slice(None) if places is None else places[m]
            batch = (x[m] if own_x else x)[rows], (y[m] if own_y else y)[rows]
            grads = nn.value_and_grad(NET, nn.cross_entropy, nn.unflatten(params, w), *batch)[1]
            w[m] -= 0.2 * nn.flatten(grads)[m]
    # Rounding alone: sums of at most 40 terms, 15 steps.
    np.testing.assert_allclose(nn.flatten(end), w, rtol=1e-11, atol=1e-13)


@given(some_optimiser, st.lists(st.integers(0, 12), max_size=4), st.booleans(), st.sampled_from(["float64", "float32"]))
@settings(max_examples=25)
def test_recording_changes_nothing(name: str, at: list[int], norm: bool, dtype: str) -> None:
    net = BATCH if norm else NET
    params = nn.init(net, models=3, dtype=dtype)
    whole, _ = trained(net, LABELS, OPTIMISERS[name], params=params)
    part, found = trained(net, LABELS, OPTIMISERS[name], params=params, record=nn.Record(["loss", "angle"], at=at))
    same(part, whole)
    assert found.step.values.tolist() == sorted(set(at))


class Cut(Exception):
    """Stands for a power failure."""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("norm", [False, True], ids=["bare", "batch norm"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_run_that_was_cut_ends_with_the_same_bits(name: str, norm: bool, dtype: str, tmp_path: Path) -> None:
    net, done = (BATCH if norm else NET), 0

    def fail_late(steps: int) -> None:
        nonlocal done
        done += steps
        if done >= 8:
            raise Cut

    record = nn.Record(["loss", "angle", "weight_norm"], at=[0, 2, 3, 7, 12])
    params = nn.init(net, models=3, dtype=dtype)
    options: dict[str, Any] = {"optimiser": OPTIMISERS[name], "record": record, "params": params}
    whole, found = trained(net, LABELS, **options)
    options |= {"checkpoint": tmp_path / "run.npz", "checkpoint_every": 5}
    with pytest.raises(Cut):
        trained(net, LABELS, progress=fail_late, **options)
    again, resumed = trained(net, LABELS, **options)
    same(again, whole)
    assert resumed.identical(found)
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_a_finished_run_is_read_back_and_can_be_made_longer(tmp_path: Path) -> None:
    options: dict[str, Any] = {"checkpoint": str(tmp_path / "run.npz"), "record": nn.Record(at=range(0, 99, 4))}
    trained(**options)
    longer, found = trained(steps=30, **options)
    same(longer, trained(steps=30)[0])
    assert found.step.values.tolist() == list(range(0, 30, 4))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6}, {"batch_size": 8}, {"y": TARGETS}, {"optimiser": OPTIMISERS["adam"]}, {"record": ["error"]},
        {"net": nn.mlp([5, 7, 3], "erf")}, {"stop": nn.Until("loss", 0.1)}, {"loss": nn.CrossEntropy(0.1)},
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_run_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    trained(checkpoint=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="checkpoint of another run"):
        trained(checkpoint=tmp_path / "run.npz", **change)


def test_broken_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    trained(checkpoint=path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"is not a checkpoint"):
        trained(checkpoint=path)
    path.unlink()
    trained(checkpoint=path, record=nn.Record(at=[12]))
    with pytest.raises(ValueError, match=r"no record of step 3"):
        trained(checkpoint=path, record=nn.Record(at=[3, 12]))
    with pytest.raises(ValueError, match=r"at step 12, beyond the 11 asked for"):
        trained(checkpoint=path, record=nn.Record(at=[12]), steps=11)
    np.savez(path, step=np.array(12))
    with pytest.raises(ValueError, match=r"is not a checkpoint"):
        trained(checkpoint=path)


@pytest.mark.parametrize("change", [{"record": ["angle"]}, {"stop": nn.Until("loss", 0.1)}], ids=["angle", "stop"])
def test_a_record_that_a_longer_run_would_not_have_is_refused_where_it_matters(
    change: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    trained(checkpoint=path, **change)
    with pytest.raises(ValueError, match=r"has a record of step 12 and this run would not"):
        trained(checkpoint=path, steps=30, **change)
    path.unlink()
    trained(checkpoint=path)
    same(trained(checkpoint=path, steps=30)[0], trained(steps=30)[0])


@pytest.mark.parametrize(("dtype", "rate"), [("float64", 1e160), ("float32", 1e20)])
@pytest.mark.parametrize("y", [LABELS, 1e3 * TARGETS], ids=["labels", "targets"])
def test_a_diverging_model_is_frozen_and_the_others_go_on(y: np.ndarray, dtype: str, rate: float) -> None:
    rates = np.array([1e-3, rate, 1e-3])
    net = nn.mlp([5, 7, 3])
    params = nn.init(net, models=3, dtype=dtype)
    end, found = trained(net, y, nn.SGD(rates), params=params)
    calm, _ = trained(net, y, nn.SGD(1e-3), params=params)
    same(nn.select(end, [0, 2]), nn.select(calm, [0, 2]))
    assert found.diverged.values[[0, 2]].tolist() == [-1, -1]
    when = int(found.diverged[1])
    assert 0 < when < 12
    # It keeps what it had at that step, and what one step fewer leaves differs.
    before, _ = trained(net, y, nn.SGD(rates), params=params, steps=when)
    same(nn.select(end, [1]), nn.select(before, [1]))
    assert (
        nn.flatten(before)[1] != nn.flatten(trained(net, y, nn.SGD(rates), params=params, steps=when - 1)[0])[1]
    ).any()


def test_a_model_stops_where_its_rule_says() -> None:
    record = nn.Record(["loss"], at=range(0, 41, 5))
    free = trained(steps=40, record=record)[1].loss
    level = float(free.isel(step=4).median("model"))
    end, found = trained(steps=40, record=record, stop=nn.Until("loss", level))
    for m in range(3):
        below = free.step.values[free.isel(model=m).values <= level]
        when = int(found.stopped[m])
        assert when == (below[0] if len(below) else -1)
        if when >= 0:
            same(nn.select(end, [m]), nn.select(trained(steps=when)[0], [m]))
    assert len(set(found.stopped.values)) > 1


def test_returned_nets_have_the_population_statistics_of_the_training_data() -> None:
    end, _ = trained(BATCH)
    same(end, nn.population(BATCH, end, X))
    outputs, _ = BATCH.forward(end, X)
    np.testing.assert_allclose(nn.predict(BATCH, end, X), outputs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("net", [NET, BATCH], ids=["bare", "batch norm"])
def test_measuring_some_models_at_a_time_gives_the_same(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record = nn.Record(list(nn.QUANTITIES), at=[0, 3, 12], test=(X[:9] + 0.1, LABELS[:9]))
    whole = trained(net, record=record)
    monkeypatch.setattr("simlab.nn.training.setup.EVALUATION", 1)
    part = trained(net, record=record)
    same(part[0], whole[0])
    for name in nn.QUANTITIES:
        np.testing.assert_allclose(part[1][name], whole[1][name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_measuring_counts_the_activations_of_fixed_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.serial(nn.fixed(nn.dense(5, 1000)), nn.relu, nn.fixed(nn.dense(1000, 2)), nn.dense(2, 3))
    params = nn.init(net, models=3, dtype="float64")
    sizes: list[int] = []

    def measure(frame: Any) -> np.ndarray:
        sizes.append(len(frame.size))
        return np.asarray(frame.size)

    monkeypatch.setattr(
        "simlab.nn.training.setup.EVALUATION", 2 * 4 * 40 * 8 * 2010
    )  # two arrays of 1000, two of 2, two of 3
    trained(net, params=params, steps=0, record=[nn.Quantity("size", "norm", "1", measure)])
    assert sizes == [2, 1]


def test_test_data_that_do_not_fit_are_refused_before_training() -> None:
    done: list[int] = []
    with pytest.raises(ValueError, match=r"labels must be in 0 ... 2"):
        trained(record=nn.Record(["test_loss"], at=[12], test=(X, LABELS + 1)), progress=done.append)
    assert done == []


class Table(nn.Schedule):
    """A schedule that a user wrote, without an end beyond its own."""

    def __init__(self, rates: np.ndarray) -> None:
        self.rates = rates

    def __call__(self, step: int) -> Any:
        return self.rates[step]


def test_schedules_of_a_users_own(tmp_path: Path) -> None:
    path, rates = tmp_path / "run.npz", np.linspace(0.1, 0.2, 13)
    options: dict[str, Any] = {"optimiser": nn.SGD(Table(rates)), "params": nn.init(NET, models=3)}
    for engine in ("arrays", "fused"):
        found = trained(engine=engine, record=["learning_rate"], **options)[1]
        np.testing.assert_array_equal(found.learning_rate, rates[[[0] * 3, [12] * 3]])
    trained(checkpoint=path, **options)
    same(trained(checkpoint=path, **options)[0], trained(**options)[0])
    with pytest.raises(ValueError, match="checkpoint of another run"):
        trained(checkpoint=path, **options | {"optimiser": nn.SGD(Table(2 * rates))})


def test_the_record_says_what_it_is() -> None:
    _, found = trained(record=["loss", "weight_norm"])
    assert found.sizes == {"step": 2, "model": 3}
    for variable in found.variables.values():
        assert {"long_name", "units"} <= set(variable.attrs)
    assert found.attrs["optimiser"].startswith("SGD(lr=0.1, momentum=0.9")
    assert found.attrs["parameters"] == 5 * 7 + 7 + 7 * 3 + 3
    params = nn.init(NET, models=3, dtype="float64")
    np.testing.assert_array_equal(found.loss[0], nn.value_and_grad(NET, nn.cross_entropy, params, X, LABELS)[0])
    size = np.linalg.norm(nn.flatten(params), axis=1)
    np.testing.assert_allclose(found.weight_norm[0], size, rtol=1e-14)


def test_no_steps_give_back_the_parameters() -> None:
    params = nn.init(NET, models=3, dtype="float64")
    end, found = trained(params=params, steps=0)
    same(end, params)
    assert found.sizes["step"] == 1


def test_losses_go_by_the_targets() -> None:
    one = nn.mlp([5, 4, 1])
    kinds = [(NET, LABELS, "CrossEntropy"), (NET, TARGETS, "MeanSquaredError"), (one, LABELS % 2, "Logistic")]
    for net, y, name in kinds:
        found = trained(net, y, record=["loss", "error"])[1]
        assert found.attrs["loss"].startswith(name)
        assert ((found.error >= 0) & (found.error <= 1)).all()


def test_integers_are_rows_where_the_loss_takes_rows() -> None:
    rows = np.eye(3, dtype=int)[LABELS]
    record = nn.Record(["test_loss"], test=(X, rows))
    whole, found = trained(y=rows, loss=nn.mse, record=record)
    same(whole, trained(y=rows.astype(float), loss=nn.mse)[0])
    assert found.test_loss.shape == (2, 3)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: trained(batch_size=41), "batch_size is 41 and there are 40 examples"),
    (lambda: trained(batch_size=0), "batch_size must be a whole number of at least 1"),
    (lambda: trained(batch_size=2.5), "batch_size must be a whole number"),
    (lambda: trained(steps=-1), "steps must be a whole number of at least 0"),
    (lambda: trained(optimiser=nn.SGD(-0.1)), "lr must be at least 0 and finite, got -0.1"),
    (lambda: trained(optimiser=nn.SGD(np.nan)), "lr must be at least 0"),
    (lambda: trained(optimiser=nn.SGD("fast")), "lr must be a number"),
    (lambda: trained(optimiser=nn.SGD([0.1, 0.2])), r"lr must be one number or have shape \(3,\)"),
    (lambda: trained(optimiser=nn.SGD(0.1, momentum=1.0)), r"momentum must be in \[0, 1\), got 1.0"),
    (lambda: trained(optimiser=nn.SGD(0.1, weight_decay=-1)), "weight_decay must be at least 0"),
    (lambda: trained(optimiser=nn.SphereSGD(0.1, radius=0.0)), "radius must be"),
    (lambda: trained(optimiser=nn.LabelNoiseSGD(0.1, noise=1.5)), "noise must be in"),
    (lambda: nn.Piecewise([0, 10], [0.1]), "increasing starts from 0"),
    (lambda: nn.Piecewise([1], [0.1]), "increasing starts from 0"),
    (lambda: nn.Piecewise([0, 9], [0.1, -0.1]), r"rates\[1\] must be at least 0 and finite, got -0.1"),
    (lambda: nn.Cosine(0.1, 0), "steps must be a positive integer, got 0"),
    (lambda: nn.Cosine(0.1, 9, -0.1), "end must be at least 0"),
    (lambda: nn.Cyclic(0.1, 0), "period must be a positive integer, got 0"),
    (lambda: nn.Cyclic([0.1, -0.1], 9), "lr must be at least 0"),
    (lambda: nn.StepDecay(0.1, 0), "every must be a positive integer, got 0"),
    (lambda: nn.StepDecay(0.1, 9, np.inf), "factor must be at least 0 and finite"),
    (lambda: nn.WarmUp(0.1, 0), "steps must be a positive integer, got 0"),
    (lambda: trained(y=LABELS + 1), "labels must be in 0 ... 2"),
    (lambda: trained(y=LABELS[:-1]), "labels of shape"),
    (lambda: trained(params=nn.init(nn.mlp([4, 7, 3]), models=3)), "shapes of the parameters"),
    (lambda: trained(y=None), "data must be a tuple"),
    (lambda: trained(checkpoint="nowhere/run.npz"), "nowhere is no folder"),
    (lambda: trained(BATCH, batch_size=1), "at least 2 examples"),
    (lambda: trained(models=[0, 1, 2], params=nn.init(NET, models=2)), "index of each of the 2 models"),
    (lambda: trained(engine="fused"), "fused path covers"),
    (lambda: trained(engine="quick"), "engine must be"),
    (lambda: trained(stop=nn.Until("error", 0.0)), "which is not recorded"),
    (lambda: nn.Record(["los"]), "there is no quantity 'los'"),
    (lambda: nn.Record(["test_loss"]), "test_loss is measured on test data"),
    (lambda: nn.Record(at=[-1]), "whole numbers from 0, got -1"),
    (lambda: nn.Record(at=[1.5]), "whole numbers from 0, got 1.5"),  # type: ignore[list-item]
    (lambda: nn.Record(at=0.5), "whole numbers from 0, got 0.5"),  # type: ignore[arg-type]
    (lambda: trained(record=5), "quantities must be names"),
    (lambda: nn.linear_steps(10, 0), "every must be a positive integer"),
    (lambda: nn.log_steps(10, 0), "per_decade must be a positive integer"),
    (lambda: trained(record=nn.Record(["test_loss"], test=(X[:, :4], LABELS))), "takes 5 features, got 4"),
    (lambda: trained(record=nn.Record(["test_error"], test=(X, LABELS[:5]))), "test has 40 examples and y has shape"),
    (lambda: trained(record=nn.Record(["test_calibrated_nll"], test=(X[:1], LABELS[:1]))), "at least 2 examples"),
    (
        lambda: trained(record=[nn.Quantity("one", "", "1", lambda frame: 1.0)]),
        r"of each model, \(3,\), got shape \(\)",
    ),
    (lambda: trained(optimiser=0.1), "optimiser must be one such as"),
    (lambda: trained(loss="mse"), "loss must be mse, cross_entropy"),
    (lambda: trained(stop=("loss", 0.1)), "stop must be a rule"),
    (lambda: trained(seed=1.5), "seed must be a whole number from 0 to 2\\^128 - 1 or a Key, got 1.5"),
    (lambda: trained(y=LABELS.astype(float)), "y must hold integer labels"),
    (lambda: trained(y=LABELS.astype(str)), "y must hold integer labels"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_in_one_sentence(call: Callable[[], Any], message: str) -> None:
    refused_in_one_sentence(call, message)


def test_parameters_given_are_left_alone() -> None:
    params = nn.init(NET, models=3, dtype="float64")
    for leaf in leaves(params):
        leaf.flags.writeable = False
    trained(params=params)


@pytest.mark.parametrize("norm", [False, True], ids=["bare", "batch norm"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_stand_in_card_gives_the_same(name: str, norm: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, y = (BATCH, LABELS) if norm else (NET, TARGETS)
    quantities = [q for q in nn.QUANTITIES if norm or not q.startswith(("test_calibrated", "test_temperature"))]
    record = nn.Record(quantities, at=[0, 3, 12], test=(X[:9] + 0.1, y[:9]))
    rate = nn.WarmUp(np.array([0.01, 0.02, 0.05]), 4)
    optimiser = replace(OPTIMISERS[name], lr=rate)
    here = trained(net, y, optimiser, record=record)
    card = host_cuda.install(monkeypatch)
    params = nn.init(net, models=3, dtype="float64", device="gpu")
    data, test = ((card.asarray(a), card.asarray(b)) for a, b in ((X, y), (X[:9] + 0.1, y[:9])))
    record, path = replace(record, test=test), tmp_path / "run.npz"
    for steps in (7, 12):  # the second goes on from the file of the first
        there = nets.trained(net, params, data, optimiser, batch_size=7, steps=steps, seed=5, record=record,
                             checkpoint=path, checkpoint_every=6)  # fmt: skip
    np.testing.assert_allclose(card.to_host(nn.flatten(there[0])), nn.flatten(here[0]), rtol=1e-12, atol=1e-14)
    for variable in here[1].data_vars:
        np.testing.assert_allclose(there[1][variable], here[1][variable], rtol=1e-7, atol=1e-10, err_msg=str(variable))
    for curved in (nn.hessian, nn.gauss_newton):
        with pytest.raises(ValueError, match="targets are on gpu and the net on cpu"):
            curved(net, nn.cross_entropy, nn.init(net, models=1), X, card.asarray(LABELS))
    with pytest.raises(ValueError, match="features are on gpu and the net on cpu"):
        nn.train(net, nn.init(net, models=3), (card.asarray(X), y), optimiser, batch_size=7, steps=1)


def test_nets_of_different_shapes_are_stacks_of_their_own(tmp_path: Path) -> None:
    widths = {width: nn.mlp([5, width, 3], "tanh") for width in (2, 9)}
    options: dict[str, Any] = {"batch_size": 7, "steps": 5, "seed": 3}
    rates = {2: nn.SGD(0.1), 9: nn.SGD(0.2)}
    ends, found = nn.train_each(widths, (X, LABELS), rates, models=2, dtype="float64", **options)
    assert found.loss.dims == ("width", "step", "model")
    assert found.parameters.values.tolist() == [5 * w + w + 3 * w + 3 for w in (2, 9)]
    for width, net in widths.items():
        params = nn.init(net, models=2, seed=3, dtype="float64")
        alone, record = nn.train(net, params, (X, LABELS), rates[width], **options)
        same(ends[width], alone)
        np.testing.assert_array_equal(found.loss.sel(width=width), record.loss)
    for _ in range(2):  # the second time from the files
        file = nn.Options(checkpoint=tmp_path / "run.npz")
        again, _ = nn.train_each(widths, (X, LABELS), rates, models=2, dtype="float64", options=file, **options)
        same(tuple(again.values()), tuple(ends.values()))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run-width-2.npz", "run-width-9.npz"]
    with pytest.raises(ValueError, match="at least one net"):
        nn.train_each({}, (X, LABELS), nn.SGD(0.1), models=2, **options)
    with pytest.raises(ValueError, match="same values"):
        nn.train_each(widths, (X, LABELS), {2: nn.SGD(0.1)}, models=2, **options)


def test_noise_on_activations_is_new_at_every_step_and_can_be_annealed(tmp_path: Path) -> None:
    net = nn.serial(nn.dense(5, 7), nn.activation_noise(0.5), nn.tanh, nn.dense(7, 3))
    params = nn.init(net, models=3, dtype="float64")
    options: dict[str, Any] = {"params": params, "steps": 6, "batch_size": 40}
    scale = nn.Piecewise([0, 2], [np.array([1.0, 0.5, 0.0]), 0.0])
    end, _ = trained(net, noise=scale, **options)
    w, velocity = params, np.zeros_like(nn.flatten(params))
    for step in range(6):
        w = nn.at_step(w, step, scale(step))
        grads = nn.value_and_grad(net, nn.cross_entropy, w, X, LABELS)[1]
        velocity = nn.flatten(grads) + 0.01 * nn.flatten(w) + 0.9 * velocity
        w = nn.unflatten(w, nn.flatten(w) - 0.1 * velocity)
    np.testing.assert_allclose(nn.flatten(end), nn.flatten(w), rtol=1e-11, atol=1e-13)
    quiet, _ = trained(net, noise=0.0, **options)
    np.testing.assert_array_equal(nn.flatten(quiet)[2], nn.flatten(end)[2])
    assert (nn.flatten(quiet)[1] != nn.flatten(end)[1]).any()
    alone, _ = trained(net, noise=1.0, **options | {"params": nn.select(params, [1]), "models": [1]})
    np.testing.assert_array_equal(nn.flatten(alone)[0], nn.flatten(trained(net, **options)[0])[1])
    path = {"checkpoint": tmp_path / "run.npz"}
    trained(net, **options | {"steps": 3} | path)
    same(trained(net, **options | path)[0], trained(net, **options)[0])
    with pytest.raises(ValueError, match="noise must be at least 0"):
        trained(net, noise=-1.0, **options)


def test_the_fused_path_is_taken_where_it_applies_and_agrees() -> None:
    schedule = nn.Piecewise([0, 5], [np.array([0.1, 0.05, 0.2]), 0.02])
    for net, y in ((NET, LABELS), (BATCH, LABELS), (NET, TARGETS)):
        params = nn.init(net, models=3)
        ways: dict[str, Any] = {}
        for engine in ("auto", "arrays", "fused"):
            end, found = trained(net, y, nn.SGD(schedule, [0.0, 0.9, 0.5]), params=params, steps=9, engine=engine)
            ways[engine] = nn.flatten(end)
            assert found.attrs["engine"] == ("arrays" if engine == "arrays" else "fused")
        np.testing.assert_array_equal(ways["auto"], ways["fused"])
        # Nine steps, each rounding sums of at most 40 terms: some hundred float32 roundings of numbers of order 1.
        np.testing.assert_allclose(ways["fused"], ways["arrays"], rtol=0, atol=100 * 2.0**-23)
    others: list[Any] = [
        (nn.serial(nn.dense(5, 3), nn.layer_norm(3)), LABELS, nn.SGD(0.1)), (NET, LABELS, nn.Adam(0.1)),
        (NET, np.eye(3)[LABELS], nn.SGD(0.1)),
    ]  # fmt: skip
    for net, y, optimiser in others:
        params = nn.init(net, models=3)
        assert trained(net, y, optimiser, params=params, loss=nn.cross_entropy)[1].attrs["engine"] == "arrays"
    assert trained()[1].attrs["engine"] == "arrays"  # float64


@pytest.mark.parametrize("norm", [False, True], ids=["bare", "batch norm"])
def test_a_stand_in_card_takes_the_fast_path(norm: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    net, y = (BATCH, LABELS) if norm else (NET, TARGETS)
    optimiser = nn.SGD(nn.WarmUp(np.array([0.01, 0.02, 1e20]), 4), momentum=0.5, weight_decay=0.01)
    params = nn.init(net, models=3)
    here = trained(net, y, optimiser, params=params, record=nn.Record(["loss"], at=[0, 3, 12]))
    card = host_cuda.install(monkeypatch)
    data = card.asarray(X), card.asarray(y)
    there = nn.train(
        net, nn.init(net, models=3, device="gpu"), data, optimiser, batch_size=7, steps=12, seed=5,
        record=nn.Record(["loss"], at=[0, 3, 12]),
    )  # fmt: skip
    assert there[1].attrs["engine"] == here[1].attrs["engine"] == "fused"
    found, wanted = card.to_host(nn.flatten(there[0])), nn.flatten(here[0])
    # Twelve steps, each rounding sums of at most 40 terms; the third model has diverged.
    np.testing.assert_allclose(found[:2], wanted[:2], rtol=0, atol=100 * 2.0**-23)
    assert (there[1].diverged.values[:2] == -1).all()
    assert there[1].diverged.values[2] == here[1].diverged.values[2] >= 0
