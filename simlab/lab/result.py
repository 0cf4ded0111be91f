"""The result of a study in Python and in a notebook: its scenes as datasets, its claims, its figures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import results, resume
from simlab.lab.claim import Claim
from simlab.lab.figure import figure, figure_names, replace_figures
from simlab.lab.folder import RESULT, run_folder
from simlab.lab.runner import run
from simlab.lab.settings import preset_values, validate
from simlab.lab.study import BaseConfig, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHADES = {"holds": "#1a7f37", "fails": "#cf222e", "undecided": "#9a6700"}


@dataclass(frozen=True)
class Result:
    """What a run found: `result["walk"]` is a scene's dataset, `tree` all of them as an xarray tree."""

    study: Study
    config: BaseConfig
    tree: xr.DataTree

    def __getitem__(self, scene: str) -> xr.Dataset:
        """The dataset of a scene; KeyError names those that there are."""
        if scene not in self.scenes:
            raise KeyError(f"there is no scene {scene!r}; there are {', '.join(self.scenes)}")
        return self.tree[scene].to_dataset()

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the scenes that were run."""
        return tuple(name for name in self.study.scenes if name in self.tree)

    @property
    def claims(self) -> list[Claim]:
        """All claims with their verdicts."""
        return results.claims_of(self.tree)

    def figure(self, scene: str | None = None) -> Figure:
        """The figure of a scene, or the overview of all."""
        return figure(self.study, self.config, self.tree, scene)

    def save(self, folder: Path | str, *, overwrite: bool = False) -> list[Path]:
        """Write result.nc and all figures into a folder; InputError where one exists and overwrite is False."""
        path = Path(folder) / RESULT
        there = [path.with_name(n) for n in (RESULT, *figure_names(self.study)) if path.with_name(n).exists()]
        if there and not overwrite:
            raise InputError(f"{there[0]} is there already; name another folder, or overwrite=True.")
        path.parent.mkdir(parents=True, exist_ok=True)
        results.save(self.tree, path, overwrite=overwrite)
        return [path, *replace_figures(self.study, self.config, self.tree, path.parent)]

    @classmethod
    def load(cls, study: Study, path: Path | str) -> Result:
        """A result that lies in a folder, or in this file."""
        path = Path(path)
        tree = results.load(path / RESULT if path.is_dir() else path)
        if (theirs := tree.attrs["simlab_study"]) != study.name:
            raise InputError(f"{path} holds a result of {theirs}, not of {study.name}.")
        return cls(study, study.config.model_validate_json(tree.attrs["simlab_config"]), tree)

    def __repr__(self) -> str:
        """One line for each claim."""
        lines = [f"{c.verdict:<10} {c.name}: {c.quantity}, accepted {c.limits}" for c in self.claims]
        return "\n".join([f"{self.study.title} (seed {self.config.seed})", *lines])

    def _repr_html_(self) -> str:
        """Claims as a table, and the figure of each scene."""
        rows = "".join(
            f'<tr><td style="color:{SHADES[c.verdict]}">{c.verdict}</td><td>{html.escape(c.name)}</td>'
            f'<td style="text-align:left">{html.escape(c.statement)}</td><td>{html.escape(c.quantity)}</td>'
            f"<td>{html.escape(c.limits)}</td></tr>"
            for c in self.claims
        )
        head = "".join(f"<th>{name}</th>" for name in ("verdict", "claim", "statement", "measured", "accepted"))
        images = "".join(
            f'<img style="max-width:100%" src="data:image/png;base64,{self._image(n)}">' for n in self.scenes
        )
        return f"<h4>{html.escape(self.study.title)}</h4><table><tr>{head}</tr>{rows}</table>{images}"

    def _image(self, scene: str) -> str:
        from simlab.lab import plot

        content = io.BytesIO()
        plot.save_figure(self.figure(scene), content, "png")
        return base64.b64encode(content.getvalue()).decode()


def run_study(
    study: Study, preset: str, fields: Mapping[str, Any], *, progress: bool = True, overwrite: bool = False
) -> Result:
    """Run a study with a preset and some fields changed; InputError as on the command line.

    With `out` among the fields the result is written there, finished work is kept, and a run that was stopped goes on.
    """
    config = validate(study, {**preset_values(study, preset), **fields})
    show = Progress.to_stderr() if progress else Progress.silent()
    if config.out is None:
        return Result(study, config, run(study, config, show))
    with run_folder(study, config, overwrite=overwrite) as folder:
        tree = run(study, config, show, cells=folder.cells)
        results.save(tree, folder.path / RESULT, overwrite=folder.overwrite)
        try:
            replace_figures(study, config, tree, folder.path)
        finally:
            resume.remove(folder.path)
    return Result(study, config, tree)
