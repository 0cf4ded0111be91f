"""Nets of different shapes side by side: a stack for each shape, one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlab.core.checks import shown
from simlab.nn.calculus.derivatives import init
from simlab.nn.layers.layer import Layer, Params
from simlab.nn.training.archive import place_of
from simlab.nn.training.optimisers import Optimiser
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
    checkpoint: Path | str | None = None,
    **options: Any,
) -> tuple[dict[Any, Params], xr.Dataset]:
    """Train `models` of every net: the parameters of each stack, and the records with dims (dim, step, model).

    nets: {value along dim: net}, such as {8: mlp([64, 8, 10]), 16: mlp([64, 16, 10])}; optimiser: one for all, or one
    for each net by the same values. Other options are those of `train`. Nets of one shape are one stack; nothing is
    padded. Model k sees the same minibatches whatever the net, so that differences along dim are paired over models.
    checkpoint: a file for each net, with the value before its ending: "run.npz" is "run-width-8.npz" and so on.
    The coordinate `parameters` counts the trained numbers of a model. ValueError without nets, and as in `train`.
    """
    import xarray as xr

    _require_names(nets, dim)
    if isinstance(optimiser, Mapping) and set(optimiser) != set(nets):
        raise ValueError(f"optimiser must name the same values as nets, {list(nets)}, got {list(optimiser)}.")
    ends, records = {}, []
    for value, net in nets.items():
        own = optimiser[value] if isinstance(optimiser, Mapping) else optimiser
        params = init(net, models=models, seed=seed, dtype=dtype, device=device)
        path = None if checkpoint is None else place_of("checkpoint", checkpoint)
        file = path and path.with_name(f"{path.stem}-{dim}-{value}{path.suffix}")
        ends[value], record = train(net, params, data, own, seed=seed, checkpoint=file, **options)
        count = record.attrs.pop("parameters")
        attributes = {"long_name": "trained numbers of a model", "units": "1"}
        records.append(record.expand_dims({dim: [value]}).assign_coords(parameters=(dim, [count], attributes)))
    return ends, xr.concat(records, dim=dim, combine_attrs="drop_conflicts")


def _require_names(nets: Any, dim: Any) -> None:
    """ValueError unless nets have values along a dimension that a record does not have yet."""
    if not isinstance(nets, Mapping) or not nets:
        raise ValueError(f"nets must hold at least one net by its value along dim, {{8: net}}, got {shown(nets)}.")
    if not isinstance(dim, str) or dim in ("", "step", "model"):
        raise ValueError(f"dim must be a name, other than step and model, got {shown(dim)}.")
