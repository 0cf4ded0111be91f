"""A run is a pure function: `train` is its calls, in any pieces, and no state is changed by what follows it."""

from __future__ import annotations

import doctest
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlab import nn
from simlab.nn.layers.layer import every_array
from simlab.nn.training import run as module
from simlab.random import key
from tests.nn.training.test_train import BATCH, LABELS, NET, OPTIMISERS, X, same
from tests.refusals import refused_in_one_sentence


def started(net: Any = NET, optimiser: Any = OPTIMISERS["momentum"], dtype: str = "float64", **options: Any) -> nn.Run:
    params = nn.init(net, models=3, dtype=dtype)
    return nn.Run(net, params, (X, LABELS), optimiser, batch_size=7, seed=5, options=nn.Options(**options))


@given(
    st.sampled_from(sorted(OPTIMISERS)), st.lists(st.integers(0, 6), min_size=1, max_size=4), st.booleans(),
    st.sampled_from(["float64", "float32"]),
)  # fmt: skip
@settings(max_examples=25)
def test_train_gives_the_bits_of_any_pieces(name: str, pieces: list[int], norm: bool, dtype: str) -> None:
    net, steps = BATCH if norm else NET, sum(pieces)
    run = started(net, OPTIMISERS[name], dtype)
    state = run.start()
    for piece in pieces:
        state = run.advance(state, piece)
    record = nn.Record(["loss"], at=range(0, steps, 3))
    wanted, found = nn.train(
        net, run.params, (X, LABELS), OPTIMISERS[name], batch_size=7, steps=steps, seed=5, record=record
    )
    same(run.eval_params(state), wanted)
    assert state.step == steps
    assert found.attrs["engine"] == run.engine


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_state_is_left_as_it_is(name: str, dtype: str) -> None:
    run = started(BATCH, OPTIMISERS[name], dtype)
    state = run.advance(run.start(), 4)
    for array in every_array((state.params, state.opt_state, state.diverged, state.stopped)):
        array.flags.writeable = False  # a view of a writeable array still shows a write into that one
    before = [array.copy() for array in every_array((state.params, state.opt_state))]
    one, two = run.advance(state, 5), run.advance(state, 5)
    same((one.params, one.opt_state), (two.params, two.opt_state))
    for array, copy in zip(every_array((state.params, state.opt_state)), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert run.advance(state, 0).step == state.step == 4


def test_a_run_starts_from_other_parameters_like_its_own() -> None:
    run = started()
    other = nn.init(NET, models=3, seed=1, dtype="float64")
    wanted, _ = nn.train(NET, other, (X, LABELS), OPTIMISERS["momentum"], batch_size=7, steps=6, seed=5)
    same(run.advance(run.start(other), 6).params, wanted)
    for wrong in (nn.init(NET, models=2, dtype="float64"), nn.init(NET, models=3), nn.init(BATCH, models=3)):
        refused_in_one_sentence(partial(run.start, wrong), "params")


def test_diverged_models_stay_as_they_are() -> None:
    run = started(nn.mlp([5, 7, 3]), nn.SGD(np.array([1e-3, 1e160, 1e-3])))
    state = run.advance(run.start(), 12)
    assert state.alive.tolist() == [True, False, True]
    later = run.advance(state, 5)
    np.testing.assert_array_equal(nn.flatten(later.params)[1], nn.flatten(state.params)[1])
    assert later.diverged.tolist() == state.diverged.tolist()


def test_a_seed_may_be_a_key() -> None:
    ends = [
        nn.flatten(nn.train(NET, nn.init(NET, models=2), (X, LABELS), nn.SGD(0.1), batch_size=7, steps=3, seed=s)[0])
        for s in (key(5), key(5), key(6), key(5, "other"), 5)
    ]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert all((end != ends[0]).any() for end in ends[2:])


def test_what_is_no_state_and_no_number_of_steps_is_refused() -> None:
    run = started()
    refused_in_one_sentence(lambda: run.advance(run.params, 3), "state must be one")
    refused_in_one_sentence(lambda: run.advance(run.start(), -1), "steps must be a whole number")
    refused_in_one_sentence(lambda: started(stop=nn.Until("loss", 0.1)), "a run has no stop")


def test_the_example_of_the_documentation() -> None:
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 5
