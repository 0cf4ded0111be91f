"""One `xr.DataTree` a run: a group for each scene, the group `claims`, provenance; saved whole or not at all."""

from __future__ import annotations

import datetime
import importlib.metadata
import io
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from simlab import __version__
from simlab.core import checkout
from simlab.core.errors import InputError
from simlab.core.files import write_or_rescue
from simlab.lab.claim import Claim

SCHEMA = 2
"""Raised when a name or a meaning in the tree changes."""
PACKAGES = ("numpy", "scipy", "sympy", "numba", "xarray")


def tree(scenes: Mapping[str, xr.Dataset], claims: Sequence[Claim], attributes: Mapping[str, Any]) -> xr.DataTree:
    """Join scenes, claims and provenance; ValueError names a variable that breaks the conventions."""
    groups = {f"/{name}": data.copy() for name, data in scenes.items()}
    for name, data in groups.items():
        _check(name.removeprefix("/"), data)
    root = xr.Dataset(attrs=_plain({**attributes, "schema_version": SCHEMA}))
    return xr.DataTree.from_dict({"/": root, **groups, "/claims": _claims_dataset(claims)})


def provenance(
    study: str, config_json: str, device: str, seed: int, seconds: float, *, title: str = ""
) -> dict[str, Any]:
    """Where a result came from: command, versions, device, seed and commit."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    program, *words = sys.argv or [""]
    # A name of a file may hold bytes that are no text, and netCDF keeps text only.
    command = shlex.join([Path(program).name, *words]).encode("utf-8", "backslashreplace").decode()
    versions = {p: _version(p) for p in PACKAGES}
    return {
        "Conventions": "CF-1.11",
        "title": title or study,
        "source": f"simlab {__version__}",
        "history": f"{now}: {command}",
        "references": "D. P. Vetrov, Loss landscape in deep neural networks (talk)",
        "simlab_study": study,
        "simlab_config": config_json,
        "seed": seed,
        "device": device,
        "git_commit": checkout.commit(),
        "packages": json.dumps({"python": sys.version.split()[0], **versions}),
        "run_time": seconds,
        "schema_version": SCHEMA,
    }


def encode(result: xr.DataTree) -> bytes:
    """The bytes of a netCDF file, made in memory: the HDF5 library does not survive a disk that fills under it."""
    compress = {"zlib": True, "complevel": 4}
    encoding = {
        # Compression needs chunks, and their bookkeeping is larger than a small array.
        node.path: {n: compress for n, v in node.dataset.variables.items() if v.size > 1000 and v.dtype.kind in "fi"}
        for node in result.subtree
    }
    memory = io.BytesIO()
    result.to_netcdf(memory, engine="h5netcdf", encoding=encoding)
    return memory.getvalue()


def save(result: xr.DataTree, path: Path, *, overwrite: bool = True) -> None:
    """Write one netCDF file under its final name, whole or not at all; where it cannot be, it is kept elsewhere.

    InputError then says where. overwrite: whether a file that is there already may be replaced.
    """
    write_or_rescue(path, encode(result), overwrite=overwrite)


def load(path: Path) -> xr.DataTree:
    """Read a result back; InputError where the file is missing or is no result."""
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            result = opened.load()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}.") from error
    except Exception as error:  # h5py raises OSError, KeyError, ValueError by the kind of damage
        raise InputError(f"{path} is not a readable netCDF file ({type(error).__name__}).") from error
    lacking = [f"attribute {name}" for name in ("simlab_study", "schema_version") if name not in result.attrs]
    if not lacking and str(version := result.attrs["schema_version"]) != str(SCHEMA):
        raise InputError(f"{path} has schema {version}, this version of simlab reads {SCHEMA}; run the study again.")
    if "claims" not in result or not {f.name for f in fields(Claim)} <= set(result["claims"].dataset.variables):
        lacking.append("claims")
    if lacking:
        raise InputError(f"{path} is a netCDF file but no result of simlab: it has no {lacking[0]}.")
    return result


def claims_of(result: xr.DataTree) -> list[Claim]:
    """The claims of a result."""
    table = result["claims"].dataset
    return [
        Claim(**{f.name: _scalar(table[f.name].values[i]) for f in fields(Claim)}) for i in range(table.sizes["claim"])
    ]


def _claims_dataset(claims: Sequence[Claim]) -> xr.Dataset:
    columns = {f.name: np.array([asdict(c)[f.name] for c in claims]) for f in fields(Claim)}
    return xr.Dataset(
        {
            name: ("claim", values.astype(object) if values.dtype.kind == "U" else values)
            for name, values in columns.items()
        }
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # installed without its description, as some distributions do
        return "unknown"


def _scalar(value: Any) -> Any:
    return str(value) if isinstance(value, str) else float(value)


def _check(scene: str, data: xr.Dataset) -> None:
    """Units and a long name on every variable; q beside every q_se; links between the two."""
    for name, variable in data.variables.items():
        missing = {"long_name", "units"} - set(variable.attrs)
        if missing:
            raise ValueError(f"scene {scene}: variable {name!r} lacks {' and '.join(sorted(missing))}.")
        if str(name).endswith("_se"):
            if str(name).removesuffix("_se") not in data.variables:
                raise ValueError(f"scene {scene}: {name!r} is the error of a variable that is not there.")
            data[str(name).removesuffix("_se")].attrs["ancillary_variables"] = str(name)


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """NetCDF keeps strings and numbers."""
    return {
        k: v if isinstance(v, (str, int, float)) and not isinstance(v, bool) else json.dumps(v)
        for k, v in attributes.items()
    }
