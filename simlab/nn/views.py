"""One layer of a net at a time: which columns of `flatten` are whose."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from simlab.checks import shown
from simlab.nn.derivatives import flatten
from simlab.nn.layer import Array, Params, is_state, require_tree
from simlab.nn.optimisers import measured_norm


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


def _named(params: Params, name: str) -> Iterator[tuple[str, Array]]:
    """The trained arrays in the order of `leaves`, with their places."""
    if params is None or is_state(params):
        return
    if not isinstance(params, tuple):
        yield name, params
        return
    for place, part in zip(getattr(params, "_fields", range(len(params))), params, strict=True):
        yield from _named(part, f"{name}.{place}" if name else str(place))
