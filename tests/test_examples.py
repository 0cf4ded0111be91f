"""Every example runs from an empty folder and leaves what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, example], cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert {path.suffix for path in tmp_path.iterdir()} >= {".png"}
    assert done.stdout


def test_wide_nets_err_less_and_narrow_ones_do_not_fit(tmp_path: Path) -> None:
    example = next(path for path in EXAMPLES if path.stem == "error_against_width")
    subprocess.run([sys.executable, example, "figure.svg"], cwd=tmp_path, check=True, capture_output=True, timeout=900)
    with xr.open_dataset(tmp_path / "figure.nc", engine="h5netcdf") as found:
        last = found.isel(step=-1)
        mean, error = last.mean("model"), last.std("model", ddof=1) / last.sizes["model"] ** 0.5

    def rise(name: str, a: int, b: int) -> float:
        """From width a to width b, in standard errors."""
        difference = mean[name].sel(width=b) - mean[name].sel(width=a)
        return float(difference / (error[name].sel(width=b) ** 2 + error[name].sel(width=a) ** 2) ** 0.5)

    assert rise("test_error", 6, 12) > 4
    assert rise("test_error", 12, 64) < -4
    assert float(mean.error.sel(width=64)) == 0
