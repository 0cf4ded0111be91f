"""The folder of a run: a new one or a named one, its finished cells, and the files that a run leaves in it."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from simlab.core.errors import InputError
from simlab.core.files import write_bytes
from simlab.lab import resume
from simlab.lab.figure import figure_names
from simlab.lab.settings import read_toml, to_toml, validate
from simlab.lab.study import BaseConfig, Study

RESULT = "result.nc"
STUDY = "simlab_study"
"""The name of the study, in the configuration beside the cells."""


class RunFolder(NamedTuple):
    """Where a run writes: its result and figures, its finished cells, and whether a result there may be replaced."""

    path: Path
    cells: Path
    overwrite: bool


def unfinished(study: Study, run: Path) -> BaseConfig:
    """The configuration of a run that was stopped, with its folder as `out`; InputError where there is none."""
    path = run / resume.FOLDER / resume.SETTINGS
    if not path.exists():
        there = f"its result is in {run / RESULT}" if (run / RESULT).exists() else "there is no unfinished run in it"
        raise InputError(f"resume = {str(run)!r}: nothing to go on with, {there}.")
    fields = read_toml(path)
    if (theirs := fields.pop(STUDY, None)) != study.name:
        raise InputError(f"resume = {str(run)!r}: the unfinished run in it is one of {theirs}, not of {study.name}.")
    return validate(study, {**fields, "out": run})


@contextmanager
def run_folder(study: Study, config: BaseConfig, *, overwrite: bool = False) -> Iterator[RunFolder]:
    """Make the folder and test that it can be written to, before any work is done; InputError otherwise.

    Without `out` it is a new one, runs/NAME/TIME-SEED. With `out`, a run of the same configuration that
    was stopped there is continued; files of another run are replaced only with `overwrite`. The link runs/NAME/latest
    points to the last folder beside it that got a result (where the system has links). If the work inside fails and
    leaves nothing in a folder that was not there before, the folder goes as well.
    """
    runs = Path("runs") / study.name
    path = config.out or runs
    new: list[Path] = []
    try:
        new = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)
        if config.out is None:
            path = _new_folder(path, config.seed)
            new.insert(0, path)
        tempfile.TemporaryFile(dir=path).close()
        files = (RESULT, *figure_names(study))
        taken = [name for name in files if (path / name).is_dir()]
        held = [name for name in files if os.path.lexists(path / name)]
    except (OSError, ValueError) as error:  # ValueError: a null character
        _remove(new)
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"out = {str(path)!r}: cannot write there ({reason}); name a folder of yours.") from error
    if taken:
        raise InputError(f"out = {str(path)!r}: {taken[0]} in it is a folder; name another one.")
    try:
        resumed = _resumes(study, config, path, overwrite)
        if held and not (overwrite or resumed):
            raise InputError(
                f"out = {str(path)!r}: it holds {held[0]} of another run; name another one or --overwrite."
            )
        with resume.kept_in(path) as kept:
            try:
                if not resumed:
                    resume.clear(kept)
                    with suppress(OSError):  # on a full disk this run goes on, but cannot be resumed
                        write_bytes(kept / resume.SETTINGS, _settings(study, config).encode())
                yield RunFolder(path, kept, overwrite or resumed)
            finally:
                if (path / RESULT).exists() and path.resolve().parent == runs.resolve():
                    _link_latest(path)
                if not resume.can_resume(path):
                    resume.remove(path)
    finally:
        _remove(new)


def _settings(study: Study, config: BaseConfig) -> str:
    """What is stored beside the cells: the configuration without its folder, and the name of the study."""
    return f'{STUDY} = "{study.name}"\n{to_toml(config.model_copy(update={"out": None}))}'


def _resumes(study: Study, config: BaseConfig, path: Path, overwrite: bool) -> bool:
    """Whether the folder holds an unfinished run of this configuration; InputError where it holds one of another."""
    settings = path / resume.FOLDER / resume.SETTINGS
    if not settings.exists():
        return False
    try:
        theirs = read_toml(settings)
    except InputError:  # damaged
        theirs = {}
    ours = tomllib.loads(_settings(study, config))
    if theirs == ours:
        return True
    if overwrite:
        return False
    if theirs.get(STUDY) != study.name:
        other = f"an unfinished run of {theirs.get(STUDY, 'another study')}"
    else:
        differing = sorted(name for name in {*ours, *theirs} if theirs.get(name) != ours.get(name))
        other = f"an unfinished run with another {', '.join(differing)}, which --resume would go on with"
    raise InputError(f"out = {str(path)!r}: it holds {other}; name another folder or --overwrite.")


def _new_folder(parent: Path, seed: int) -> Path:
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
    """Remove the folders that were made, innermost first, unless something is in them."""
    for folder in folders:
        with suppress(OSError, ValueError):
            folder.rmdir()
