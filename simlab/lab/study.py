"""What every study plugs into: a Config, scenes, presets; and the runner that turns them into a result on disk.

A study is a Config and a few scenes; a scene is a module with six functions and a number:

    check(config) -> None                               InputError for what the types of Config cannot see
    cost(config) -> list[Cost]                          what its parts need; `check` holds them to the limits
    simulate(config, device, progress) -> xr.Dataset    what was measured: `q` with `q_se` beside it
    theory(config, simulation) -> xr.Dataset            `q_theory`, from the same config
    compare(config, data) -> list[Claim]                data is both of them together
    plot(config, data, axes) -> None                    draws on PANELS axes

Where `data` holds `diverged`, a count of walkers at NaN or infinity, the runner takes the verdicts of the scene away
unless it is 0.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import secrets
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simlab.core.errors import InputError
from simlab.lab.claim import Claim, unless_diverged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from simlab.core.progress import Progress


FILES = ("result.nc", "figure.png", "figure.svg")
"""What a run leaves in its folder."""


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Several settings as they are; ValueError where one is named twice: the same again tells nothing new."""
    if len(set(values)) < len(values):
        raise ValueError("must be different from each other")
    return values


class BaseConfig(BaseModel):
    """The fields that every study has; frozen, and strict about names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, validate_default=True
    )

    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of all noise; the same seed gives the same numbers, to rounding where matrices are multiplied."""
    device: Literal["cpu", "gpu"] = "cpu"
    """Where the work is done; gpu needs an NVIDIA card and the extra gpu12 or gpu13, and never falls back."""
    scenes: tuple[str, ...] = ()
    """Scenes to run, by name; all of them if none is named."""
    out: Path | None = None
    """Folder for result.nc, figure.png and figure.svg (default: a new one, runs/NAME/TIME-SEED)."""

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, values: Any) -> Any:
        """Take 1e6 for a count, from a command line as from a file."""
        if not isinstance(values, dict):
            return values
        counts = {n for n, f in cls.model_fields.items() if _is_whole(f.annotation)}
        return {n: _count(v) if n in counts else _no_truth(v) for n, v in values.items()}


def _is_whole(annotation: Any) -> bool:
    """Whether a field holds a whole number, or several."""
    entry = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
    return (get_args(entry)[0] if get_origin(entry) is Annotated else entry) is int


def _count(value: Any) -> Any:
    """The whole number that is meant by 1e6, or several; anything else is left for pydantic to refuse."""
    if isinstance(value, (list, tuple)):
        return [_count(v) for v in value]
    try:
        number = Decimal(value) if isinstance(value, (str, float)) else value
        whole = isinstance(number, Decimal) and abs(number) < 10**30 and number == number.to_integral_value()
    except ArithmeticError:  # not a number
        return value
    return int(number) if whole else _no_truth(value)


def _no_truth(value: Any) -> Any:
    """A truth value as a word: pydantic would take true for 1."""
    if isinstance(value, (list, tuple)):
        return [_no_truth(v) for v in value]
    return str(value).lower() if isinstance(value, bool) else value


def _docstring(kind: type) -> str:
    """The docstring of a class. `python -OO` drops it, so it is read from the source, as pydantic reads the fields'."""
    if kind.__doc__ is not None:
        return kind.__doc__
    try:
        (found,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except OSError:  # there is no source
        return ""
    return (ast.get_docstring(found) if isinstance(found, ast.ClassDef) else None) or ""


@dataclass(frozen=True)
class Study:
    """A named question with its scenes.

    package: the import path, whose modules are the scenes. presets: differences from the defaults of `config`;
    "default" has none. remarks: Markdown for the report, such as where the finding departs from the talk.
    """

    name: str
    title: str
    package: str
    config: type[BaseConfig]
    scenes: tuple[str, ...]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    remarks: str = ""

    @property
    def question(self) -> str:
        """What the study asks: the first line of its Config."""
        return _docstring(self.config).strip().partition("\n")[0]

    def scene(self, name: str) -> Any:
        """The module of a scene; this is where the heavy imports happen."""
        return importlib.import_module(f"{self.package}.{name}")

    def chosen(self, config: BaseConfig) -> tuple[str, ...]:
        """The scenes to run, in the study's order; InputError for one that is not there."""
        unknown = [repr(s) for s in config.scenes if s not in self.scenes]
        if unknown:
            raise InputError(f"scenes: there is no scene {', '.join(unknown)}; there are {', '.join(self.scenes)}.")
        return tuple(s for s in self.scenes if not config.scenes or s in config.scenes)

    def load(self, config: BaseConfig) -> None:
        """Import what the scenes of a run need."""
        for name in self.chosen(config):
            self.scene(name)


def run(study: Study, config: BaseConfig, progress: Progress | None = None) -> xr.DataTree:
    """Simulate, derive and compare every scene; the result with claims and provenance, nothing written."""
    from simlab.core.device import Device
    from simlab.core.kernel_cache import require_compiler
    from simlab.core.progress import Progress
    from simlab.lab import results

    progress = progress or Progress.silent()
    device = Device.open(config.device)
    require_compiler()  # now, and not at the first kernel after minutes
    names = study.chosen(config)
    for name in names:  # all of them before any work is done
        study.scene(name).check(config)
    # Asked now, so that what it cannot say costs no run, and a commit made meanwhile is not taken for the one that ran.
    settings = config.model_dump_json(exclude={"out"})
    about = results.provenance(study.name, settings, device.description, config.seed, 0.0, title=study.title)
    started = time.monotonic()
    scenes: dict[str, xr.Dataset] = {}
    claims: list[Claim] = []
    for name in names:
        scene = study.scene(name)
        simulation = scene.simulate(config, device, progress)
        data = simulation.merge(scene.theory(config, simulation))
        scenes[name] = data
        claims += unless_diverged(scene.compare(config, data), int(data.get("diverged", 0)))
    return results.tree(scenes, claims, {**about, "run_time": time.monotonic() - started})


def figure(study: Study, config: BaseConfig, result: xr.DataTree) -> Figure:
    """The study's figure, from a result fresh or loaded."""
    from simlab.lab import plot

    names = [n for n in study.scenes if n in result]
    with plot.style():
        drawing, axes = plot.grid(sum(study.scene(n).PANELS for n in names), study.title)
        for name in names:
            scene = study.scene(name)
            own, axes = axes[: scene.PANELS], axes[scene.PANELS :]
            scene.plot(config, result[name].to_dataset(), own)
            for panel in own:
                plot.finish(panel)
    return drawing


def write(
    study: Study, config: BaseConfig, result: xr.DataTree, folder: Path, *, overwrite: bool = False
) -> list[Path]:
    """Write result.nc, then figure.png and figure.svg; see `write_result` and `write_figures`."""
    return [write_result(result, folder, overwrite=overwrite), *write_figures(study, config, result, folder)]


def write_result(result: xr.DataTree, folder: Path, *, overwrite: bool = False) -> Path:
    """Write result.nc whole, or InputError says why it cannot be and where the result is kept instead.

    overwrite: whether it may replace another one, whose figures then go as well.
    """
    from simlab.lab import results

    path, *figures = (folder / name for name in FILES)
    results.save(result, path, overwrite=overwrite)
    if overwrite:
        for old in figures:
            old.unlink(missing_ok=True)
    return path


def write_figures(study: Study, config: BaseConfig, result: xr.DataTree, folder: Path) -> list[Path]:
    """Draw figure.png and figure.svg of a result, fresh or loaded."""
    from simlab.core import files
    from simlab.lab import plot

    drawing = figure(study, config, result)
    paths = [folder / name for name in FILES[1:]]
    for path in paths:
        files.write_atomically(path, partial(plot.save_figure, drawing, kind=path.suffix[1:]))
    return paths


@contextmanager
def output_folder(study: Study, config: BaseConfig, *, overwrite: bool = False) -> Iterator[Path]:
    """Make the folder and see that it can be written, before any work is done; InputError otherwise.

    Without `out` it is one that no other run has, runs/NAME/TIME-SEED, to which the link runs/NAME/latest points once a
    result is in it (where the system has links). With `out`, files of another run are replaced only with `overwrite`.
    If the work inside fails and leaves nothing in a folder that was not there before, the folder goes as well.
    """
    folder = config.out or Path("runs") / study.name
    new: list[Path] = []
    try:
        new = [p for p in (folder, *folder.parents) if not p.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if config.out is None:
            folder = _own_folder(folder, config.seed)
            new.insert(0, folder)
        tempfile.TemporaryFile(dir=folder).close()
        taken = [name for name in FILES if (folder / name).is_dir()]
        held = [name for name in FILES if os.path.lexists(folder / name)]
    except (OSError, ValueError) as error:  # ValueError: a null character
        _remove(new)
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"out = {str(folder)!r}: cannot write there ({reason}); name a folder of yours.") from error
    if taken:
        raise InputError(f"out = {str(folder)!r}: {taken[0]} in it is a folder; name another one.")
    if held and not overwrite:
        raise InputError(f"out = {str(folder)!r}: it holds {held[0]} of another run; name another one or --overwrite.")
    try:
        yield folder
    finally:
        if config.out is None and (folder / FILES[0]).exists():
            _link_latest(folder)
        _remove(new)


def _own_folder(parent: Path, seed: int) -> Path:
    """A new folder named by the time, in UTC, and the seed; runs that start in the same second are numbered."""
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{seed}"
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _link_latest(folder: Path) -> None:
    """Point the link `latest` beside the folder to it, in one step; where the system has no links, do nothing."""
    link, temporary = folder.with_name("latest"), folder.with_name(f".latest-{secrets.token_hex(4)}")
    with suppress(OSError):
        try:
            temporary.symlink_to(folder.name, target_is_directory=True)
            temporary.replace(link)
        finally:
            temporary.unlink(missing_ok=True)


def _remove(folders: list[Path]) -> None:
    """Take back the folders that were made, innermost first, unless something is in them."""
    for folder in folders:
        with suppress(OSError, ValueError):
            folder.rmdir()
