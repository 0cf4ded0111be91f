"""Nets on disk: parameters to the last bit, and the net itself as text, in one .npz file without any code in it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from simlab.core.checks import one_of
from simlab.core.device import Device
from simlab.nn.arguments import one_model, outline, require_params
from simlab.nn.layers.activations import ACTIVATIONS, Activation, leaky_relu
from simlab.nn.layers.compose import ResidualLayer, Serial
from simlab.nn.layers.dense import DenseLayer, WeightNormLayer
from simlab.nn.layers.fixed import FixedLayer
from simlab.nn.layers.layer import Layer, Params, every_array
from simlab.nn.layers.noise import ActivationNoiseLayer
from simlab.nn.layers.norms import BatchNormLayer, LayerNormLayer
from simlab.nn.training import archive

FORMAT = 1
KINDS: dict[str, type[Layer]] = {
    "dense": DenseLayer, "weight_norm": WeightNormLayer, "batch_norm": BatchNormLayer, "layer_norm": LayerNormLayer,
    "activation_noise": ActivationNoiseLayer, "serial": Serial, "residual": ResidualLayer, "fixed": FixedLayer,
}  # fmt: skip
"""The layers that a file can hold, next to activations, which go by their names."""


def save(path: str | Path, net: Layer, params: Params) -> None:
    """Write a net and its parameters, those of all models, to an .npz file, whole or not at all.

    Every array comes back by `load` to the last bit, untrained ones too. A file of this name is replaced.
    ValueError for parameters of another net, a layer of the user's own, or a path that cannot be.
    """
    require_params(net, params)
    place = archive.place_of("path", path)
    header = {"format": FORMAT, "net": _described(net)}
    arrays = {str(i): array for i, array in enumerate(every_array(params))}
    archive.write(place, {"header": np.array(json.dumps(header)), **arrays})


def load(path: str | Path, device: str = "cpu") -> tuple[Layer, Params]:
    """The net and the parameters of a file that `save` wrote, on this device.

    ValueError where there is no such file, or it is damaged, of a newer simlab, or something else.
    """
    place, home = archive.place_of("path", path), Device.open(one_of("device", device, ("cpu", "gpu")))
    found = archive.read(place, "a net")
    try:
        header = json.loads(str(found.pop("header")))
        form = header["format"]
        net = _made(header["net"]) if form == FORMAT else None
        like = () if net is None else one_model(net)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{place} is not a net of simlab; name another file.") from error
    if net is None:
        raise ValueError(f"{place} has format {form}, and this simlab reads {FORMAT}; use the one that wrote it.")
    names = [str(i) for i in range(len(every_array(like)))]
    params = archive.filled(like, (home.asarray(found[name]) for name in names)) if set(names) == set(found) else ()
    if outline(params) != outline(like):
        raise ValueError(f"{place} does not hold the parameters of its net; name another file.")
    return net, params


def _described(layer: Layer) -> dict[str, Any]:
    """A layer as JSON has it: its kind and its fields; floats come back from their shortest decimals."""
    if isinstance(layer, Activation):
        if layer not in (ACTIVATIONS.get(layer.name), leaky_relu(layer.leak)):
            raise ValueError(_OWN.format(layer.name))
        return {"kind": layer.name, "leak": layer.leak}
    kind = next((name for name, known in KINDS.items() if type(layer) is known), None)
    if kind is None:
        raise ValueError(_OWN.format(type(layer).__name__))
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}  # type: ignore[arg-type]
    for name, value in values.items():
        if isinstance(value, Layer):
            values[name] = _described(value)
        elif isinstance(value, tuple):
            values[name] = [_described(part) for part in value]
    return {"kind": kind, **values}


_OWN = "net: {} is no layer of simlab, so a file cannot name it; save nn.flatten(params) and keep the code of the net."


def _made(description: dict[str, Any]) -> Layer:
    """The layer of such a description."""
    values = dict(description)
    kind = values.pop("kind")
    if kind in ACTIVATIONS:
        return leaky_relu(values["leak"]) if kind == "leaky_relu" else ACTIVATIONS[kind]
    for name, value in values.items():
        if isinstance(value, dict):
            values[name] = _made(value)
        elif isinstance(value, list):
            values[name] = tuple(map(_made, value))
    return KINDS[kind](**values)
