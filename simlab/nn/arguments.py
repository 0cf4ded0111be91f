"""Arguments beside a net: arrays of any kind brought to the device and precision of the net, or refused.

Numbers of every kind come out in the dtype of the parameters, which is the working precision, so that what is computed
does not depend on how they were stored.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from simlab.core.device import Device, stored
from simlab.data.dataset import Data
from simlab.nn.layers.layer import COUPLED, Array, Layer, Params, leaves, require_layer, require_tree, tree_map
from simlab.random import key


def beside(home: Device, what: str, values: Any) -> Array:
    """Real numbers of any kind as an array on this device; ValueError for other things, and for those of elsewhere."""
    there = Device.of(values).name
    if hasattr(values, "dtype") and there != home.name:
        raise ValueError(f"{what} are on {there} and the net on {home.name}; move one of them.")
    return stored(what, values, home)


def checked(net: Layer, params: Params, x: Any, name: str = "x") -> Array:
    """The features x (n, in) or (model, n, in) beside the parameters and in their dtype.

    Examples of more axes, such as images (n, height, width), are flattened where they have as many numbers as the net
    takes. ValueError where they do not fit the net, or the parameters are not of it.
    """
    require_params(net, params)
    leaf = leaves(params)[0]
    home = Device.of(leaf)
    found = beside(home, f"{name}: features", x)
    if net.n_in is not None and found.ndim > 2 and found.shape[-1] != net.n_in and prod(found.shape[1:]) == net.n_in:
        found = found.reshape(len(found), -1)
    if found.ndim not in (2, 3) or (found.ndim == 3 and len(found) != len(leaf)):
        of_net = "in" if net.n_in is None else net.n_in
        raise ValueError(
            f"{name}: features must have shape (n, {of_net}) or ({len(leaf)}, n, {of_net}), got {found.shape}; one "
            "example is x[None], images are x.reshape(len(x), -1)."
        )
    if net.n_in not in (None, found.shape[-1]):
        wanted = f"the net takes {net.n_in} features, got {found.shape[-1]}"
        raise ValueError(f"{name}: {wanted}; give it columns for all its inputs.")
    if found.shape[-1] == 0 or found.shape[-2] == 0:
        raise ValueError(f"{name}: features hold no examples, or none in them; give at least one.")
    with np.errstate(over="ignore"):  # beyond single precision becomes infinite, which is refused next
        found = found.astype(leaf.dtype, copy=False)
    if not bool(home.xp.isfinite(found).all()):
        raise ValueError(
            f"{name}: features hold NaN or infinite values, in {leaf.dtype}; remove or fill them, or scale them, first."
        )
    return found


def pair(name: str, data: Any) -> tuple[Any, Any]:
    """X and y of data, unchanged; ValueError for anything else."""
    if isinstance(data, Data):
        return data.x, data.y
    if not (isinstance(data, tuple) and len(data) == 2):
        raise ValueError(f"{name} must be a tuple (x, y) of arrays, or Data, got {type(data).__name__}.")
    return data


def of_single_examples(net: Layer, params: Params, x: Any, name: str = "x") -> Array:
    """`checked` x, for a net whose examples do not depend on each other."""
    require_params(net, params)
    if net.couples_examples:
        raise ValueError(f"net: {COUPLED}")
    return checked(net, params, x, name)


def direction(params: Params, v: Params) -> Params:
    """A direction with the shapes of the parameters, in their dtype; ValueError where it has others."""
    leaf, moved = leaves(params)[0], leaves(v) if isinstance(v, tuple) else []
    models = {len(part) for part in moved if getattr(part, "ndim", 0)}
    if models != {len(leaf)} or outline(v) != outline(params):
        raise ValueError("v must have the shapes of the parameters; make it with unflatten(params, flat).")
    if all(part.dtype == leaf.dtype for part in moved):
        return v
    home = Device.of(leaf)
    return tree_map(lambda part: beside(home, "v: directions", part).astype(leaf.dtype, copy=False), v)


def require_params(net: Any, params: Params) -> None:
    """ValueError unless this is a net, and these are parameters of it."""
    require_layer("net", net)
    require_stack(params)
    if outline(params) != _outline_of(net):
        raise ValueError("params do not have the shapes of the parameters of this net; make them with init(net, ...).")


def require_stack(params: Params, name: str = "params") -> None:
    """ValueError unless this is a tree of arrays with the model axis first, all in one floating dtype."""
    require_tree(name, params)
    first, *others = leaves(params)
    dtype, models = first.dtype, len(first)
    same = all(leaf.dtype == dtype and len(leaf) == models for leaf in others)
    if not (same and dtype.char in "fd" and dtype.isnative):
        raise ValueError(f"{name} must hold as many models in every array, all in float32 or all in float64.")


def outline(params: Params) -> Any:
    """What two parameters of one net have in common: kinds and shapes, without the models."""
    if isinstance(params, tuple):
        return (type(params), *map(outline, params))
    return tuple(getattr(params, "shape", (0, None))[1:])


def _outline_of(net: Layer) -> Any:
    """The outline of a net's parameters."""
    try:
        return _kept_outline(net)
    except TypeError:  # a layer of the user's own that has no hash
        return outline(one_model(net))


@lru_cache(64)
def _kept_outline(net: Layer) -> Any:
    return outline(one_model(net))


def one_model(net: Layer) -> Params:
    """Parameters of one model on the host."""
    return net.init(key(0), np.zeros(1, np.int64), "float32")
