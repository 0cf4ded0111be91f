"""Which columns of `flatten` belong to which layer; norms of trees, and numbers of each model."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from simlab.core.checks import shown
from simlab.core.device import Device
from simlab.nn.calculus.derivatives import flatten
from simlab.nn.layers.layer import Array, Params, is_state, leaves, require_tree, tree_map


def by_layer(params: Params) -> dict[str, slice]:
    """The columns of `flatten` that each trained array takes, by its place in the net: "0.W", "2.b", "3.branch.0.W"."""
    require_tree("params", params)
    found, start = {}, 0
    for name, leaf in _named(params, ""):
        stop = start + prod(leaf.shape[1:])
        found[name] = slice(start, stop)
        start = stop
    return found


def columns(params: Params, layer: str | None = None) -> slice:
    """The columns of a layer, such as "2", of one of its arrays, such as "2.W", or of all where it is None.

    ValueError on a name that is not there.
    """
    parts = by_layer(params)
    if layer is not None:
        parts = {name: part for name, part in parts.items() if f"{name}.".startswith(f"{layer}.")}
    if not parts:
        raise ValueError(f"layer must be a part of {', '.join(by_layer(params))}, got {shown(layer)}.")
    return slice(min(part.start for part in parts.values()), max(part.stop for part in parts.values()))


def norms_by_layer(tree: Params) -> dict[str, Array]:
    """The Euclidean norm of each trained array, (model,) by name: of parameters, or of a gradient like them."""
    require_tree("tree", tree)
    flat = flatten(tree)
    return {name: measured_norm((flat[:, part],)) for name, part in by_layer(tree).items()}


def norm(params: Params) -> Array:
    """The Euclidean norm of all trained parameters of each model, (model,)."""
    return sum((leaf * leaf).reshape(len(leaf), -1).sum(axis=1) for leaf in leaves(params)) ** 0.5


def measured_norm(params: Params) -> Array:
    """`norm` for records, right also where squares leave the range of floats; NaN where parameters are not finite."""
    xp = Device.of(leaves(params)[0]).xp
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        plain = norm(params)
    fine = (plain > 1e3 * float(xp.finfo(plain.dtype).tiny) ** 0.5) & (plain < xp.inf)
    if bool(fine.all()):
        return plain
    largest = xp.stack([abs(leaf).reshape(len(leaf), -1).max(axis=1) for leaf in leaves(params)]).max(axis=0)
    unit = xp.where(largest > 0, largest, 1)
    return xp.where(fine, plain, unit * norm(tree_map(lambda leaf: leaf / on(unit, leaf), params)))


def on(number: Array, leaf: Array) -> Array:
    """A number of each model (model,) in the dtype of a leaf (model, ...), shaped to multiply it."""
    return number.astype(leaf.dtype).reshape(-1, *(1,) * (leaf.ndim - 1))


def _named(params: Params, name: str) -> Iterator[tuple[str, Array]]:
    """The trained arrays in the order of `leaves`, with their places."""
    if params is None or is_state(params):
        return
    if not isinstance(params, tuple):
        yield name, params
        return
    for place, part in zip(getattr(params, "_fields", range(len(params))), params, strict=True):
        yield from _named(part, f"{name}.{place}" if name else str(place))
