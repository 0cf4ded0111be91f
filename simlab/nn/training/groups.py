"""Nets of different shapes: a stack for each shape, one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simlab.core.checks import shown
from simlab.nn.calculus.derivatives import init
from simlab.nn.layers.layer import Layer, Params
from simlab.nn.training.archive import place_of
from simlab.nn.training.optimisers import Optimiser
from simlab.nn.training.options import Options, require_options
from simlab.nn.training.train import train
from simlab.random import Seed

if TYPE_CHECKING:
    import xarray as xr

    from simlab.data import Data


def train_each(
    nets: Mapping[Any, Layer],
    data: Data | tuple[Any, Any],
    optimiser: Optimiser | Mapping[Any, Optimiser],
    *,
    models: int,
    dim: str = "width",
    seed: Seed = 0,
    dtype: str = "float32",
    device: str = "cpu",
    options: Options | None = None,
    **how: Any,
) -> tuple[dict[Any, Params], xr.Dataset]:
    """Train `models` of every net: the parameters of each stack, and the records with dims (dim, step, model).

    nets: {value along dim: net}, such as {8: mlp([64, 8, 10]), 16: mlp([64, 16, 10])}; optimiser: one for all, or one
    for each net by the same values. how: batch_size, steps and record, as in `train`. Nets of one shape are one stack;
    nothing is padded. Model k sees the same minibatches whatever the net, so that differences along dim are paired over
    models. options: as in `train`; a checkpoint is a file for each net, with the value before its ending: "run.npz"
    becomes "run-width-8.npz" and so on.
    The coordinate `parameters` counts the trained numbers of a model. ValueError without nets, and as in `train`.
    """
    import xarray as xr

    _require_names(nets, dim)
    if isinstance(optimiser, Mapping) and set(optimiser) != set(nets):
        raise ValueError(f"optimiser must name the same values as nets, {list(nets)}, got {list(optimiser)}.")
    options = Options() if options is None else require_options(options)
    ends, records = {}, []
    for value, net in nets.items():
        own = optimiser[value] if isinstance(optimiser, Mapping) else optimiser
        params = init(net, models=models, seed=seed, dtype=dtype, device=device)
        for_net = _with_file(options, f"-{dim}-{value}")
        ends[value], record = train(net, params, data, own, seed=seed, options=for_net, **how)
        count = record.attrs.pop("parameters")
        attributes = {"long_name": "trained numbers of a model", "units": "1"}
        records.append(record.expand_dims({dim: [value]}).assign_coords(parameters=(dim, [count], attributes)))
    return ends, xr.concat(records, dim=dim, combine_attrs="drop_conflicts")


def _with_file(options: Options, suffix: str) -> Options:
    """The same with the suffix before the ending of the checkpoint's name."""
    if options.checkpoint is None:
        return options
    path = place_of("checkpoint", options.checkpoint)
    return replace(options, checkpoint=path.with_name(f"{path.stem}{suffix}{path.suffix}"))


def _require_names(nets: Any, dim: Any) -> None:
    """ValueError unless nets have values along a dimension that a record does not have yet."""
    if not isinstance(nets, Mapping) or not nets:
        raise ValueError(f"nets must hold at least one net by its value along dim, {{8: net}}, got {shown(nets)}.")
    if not isinstance(dim, str) or dim in ("", "step", "model"):
        raise ValueError(f"dim must be a name, other than step and model, got {shown(dim)}.")
