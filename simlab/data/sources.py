"""Data sets that scikit-learn brings or fetches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from simlab.core.checks import require_width, shown
from simlab.core.errors import InputError
from simlab.core.files import path_of
from simlab.data.dataset import Data, from_arrays


def digits() -> Data:
    """The handwritten digits that come with scikit-learn: 1,797 images of 8 x 8 pixels from 0 to 16.

    Alpaydin & Kaynak 1998, the test part.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    return from_arrays(bundle.data, bundle.target, source="digits")


def openml(name: str, *, version: int = 1, folder: str | Path | None = None) -> Data:
    """A data set of openml.org by its name and version, fetched by scikit-learn and kept in `folder` for the next time.

    Numbers stay as they are, and a nominal column becomes a column of 0 and 1 for each of its values. The default
    target is y: nominal ones are labels, numeric ones targets. `folder` is scikit-learn's own where it is None.
    Reading takes about two seconds for a million numbers, so a large set is better kept as an .npz file.
    InputError where the set is unknown or sparse, openml.org is out of reach, a value is missing or a column is text.
    """
    given: Any = name
    if not isinstance(given, str) or not given:
        raise InputError(f"name must be that of a data set, got {shown(given)}.")
    require_width(version, "version")
    folder = None if folder is None else path_of("folder", folder)
    from sklearn.datasets import fetch_openml

    source = f"openml {name}, version {version}"
    try:
        # The slower of its two parsers: the other fails on class names that are numbers (scikit-learn issue 34892).
        bundle = fetch_openml(name, version=version, data_home=folder, as_frame=True, parser="liac-arff")
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{source}: openml.org cannot be reached ({reason}); go online, or use digits().") from error
    except Exception as error:  # unknown names, broken answers: urllib, json, pandas and scikit-learn have their own
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{source}: scikit-learn cannot load it ({reason}); look it up on openml.org.") from error
    frame, target = bundle.data, bundle.target
    if target is None or getattr(target, "ndim", 1) > 1:
        raise InputError(f"{source}: it needs one target column; save x and y as an .npz file and use npz.")
    gaps = int(frame.isna().to_numpy().sum() + target.isna().to_numpy().sum())
    if gaps:
        raise InputError(f"{source}: {gaps:,} values are missing; fill them, save x and y as .npz and use npz.")
    x = np.column_stack([_column(frame[column], column, source) for column in frame.columns])
    if target.dtype.kind in "iuf":
        return from_arrays(x, target.to_numpy(np.float64), source=source)
    return from_arrays(x, target.astype(str).to_numpy().astype(np.str_), source=source)


def _column(values: Any, name: str, source: str) -> np.ndarray:
    """The features (n, k) of a column: one if it holds numbers, one for each value if it is nominal."""
    if values.dtype.name == "category":
        return (values.cat.codes.to_numpy()[:, None] == np.arange(len(values.cat.categories))).astype(np.float64)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{source}: column {name} holds text; save numbers as an .npz file and use npz.")
    return np.asarray(values.to_numpy(np.float64)[:, None])
