"""What a study is: a Config behind the command line, the TOML file and the record, and a few scenes by name."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simlab.core.errors import InputError

if TYPE_CHECKING:
    from simlab.lab.scene import Scene


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Several settings as they are; ValueError where one is given twice: a repetition adds no information."""
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
    """Where the work is done; gpu needs an NVIDIA card and the extra gpu12 or gpu13, without fallback to the cpu."""
    scenes: tuple[str, ...] = ()
    """Scenes to run, by name; all of them if none is named."""
    out: Path | None = None
    """Folder for result.nc and figures; a run stopped there is continued (default: a new one, runs/NAME/TIME-SEED)."""

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
    """A truth value as text: pydantic would take true for 1."""
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
    "default" has none. finding: what the record shows, in one or two sentences. remarks: Markdown for the report,
    such as where the finding departs from the talk.
    """

    name: str
    title: str
    package: str
    config: type[BaseConfig]
    scenes: tuple[str, ...]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    finding: str = ""
    remarks: str = ""

    @property
    def question(self) -> str:
        """What the study asks: the first line of its Config."""
        return _docstring(self.config).strip().partition("\n")[0]

    def scene(self, name: str) -> Scene:
        """The module of a scene; this is where the heavy imports happen."""
        return cast("Scene", importlib.import_module(f"{self.package}.{name}"))

    def chosen(self, config: BaseConfig) -> tuple[str, ...]:
        """The scenes to run, in the study's order; InputError for one that is not there."""
        unknown = [repr(s) for s in config.scenes if s not in self.scenes]
        if unknown:
            raise InputError(f"scenes: there is no scene {', '.join(unknown)}; there are {', '.join(self.scenes)}.")
        return tuple(s for s in self.scenes if not config.scenes or s in config.scenes)

    def check(self, config: BaseConfig) -> None:
        """InputError for what the chosen scenes cannot do with this configuration, or what is beyond the limits."""
        from simlab.lab.cost import affordable

        for name in self.chosen(config):
            scene = self.scene(name)
            scene.check(config)
            affordable(config, scene.cost(config))

    def load(self, config: BaseConfig) -> None:
        """Import what the scenes of a run need."""
        for name in self.chosen(config):
            self.scene(name)
