"""One table over all public functions: they answer what they should, and refuse in one sentence what lies outside."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import warnings
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
import pytest
import xarray as xr

import tests.domains
from simlab import nn, sde
from simlab.data import Data
from simlab.random import key
from tests.domains.calls import KINDS, Call, public

TABLES: list[Any] = [
    importlib.import_module(f"tests.domains.{found.name}")
    for found in pkgutil.iter_modules(tests.domains.__path__)
    if found.name.endswith("_calls")
]
CALLS: list[Call] = [call for table in TABLES for call in table.CALLS]
MODULES: list[ModuleType] = [module for table in TABLES for module in table.MODULES]


TYPES = {"xr": xr, "Data": Data}
"""Names that modules import for their annotations only."""


class Outside(NamedTuple):
    """An argument with a value that lies outside of its domain."""

    call: Call
    argument: str
    value: Any
    place: int

    def label(self) -> str:
        """A name that every process of a test run finds alike."""
        return f"{self.call.label}({self.argument}, {self.place})"


MOST = 8
"""Arguments of a public function, unless one of them is a named group of settings."""


def arguments(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those that a caller writes; *args and **kwargs count as one each."""
    return [p for p in inspect.signature(function).parameters.values() if p.name != "self"]


def is_group(annotation: Any) -> bool:
    """Whether a type is a frozen dataclass of settings, all with defaults, or one of those and None."""
    types = get_args(annotation) or (annotation,)
    return any(
        inspect.isclass(t) and is_dataclass(t) and getattr(t, "__dataclass_params__").frozen  # noqa: B009
        and all(f.default is not MISSING or f.default_factory is not MISSING for f in fields(t) if f.init)
        for t in types
    )  # fmt: skip


OUTSIDE = [
    Outside(call, argument, value, place)
    for call in CALLS
    for argument, values in call.outside.items()
    for place, value in enumerate(values)
]
STORED = [(call, argument) for call in CALLS for argument in call.arrays]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_every_public_function_is_in_a_table(module: ModuleType) -> None:
    known = {id(getattr(call.function, "__func__", call.function)) for call in CALLS}
    assert [f.__qualname__ for f in public(module) if id(f) not in known] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_no_public_function_has_many_arguments_without_a_group(module: ModuleType) -> None:
    for function in public(module):
        if len(arguments(function)) > MOST:
            made = vars(function)["__init__"] if inspect.isclass(function) else function
            hints = get_type_hints(made, localns=TYPES)
            assert any(is_group(hints.get(p.name)) for p in arguments(function)), function.__qualname__


@pytest.mark.parametrize("call", [c for c in CALLS if "seed" in {p.name for p in arguments(c.function)}],
                         ids=lambda c: c.label)  # fmt: skip
def test_a_seed_may_be_a_key(call: Call) -> None:
    call(seed=key(0))
    same(call(seed=key(3, "cell")), call(seed=key(3, "cell")))


@pytest.mark.parametrize("group", [nn.Options, sde.Options])
def test_every_setting_of_a_group_is_explained_where_it_is_defined(group: type) -> None:
    explained = re.findall(r"\w+", str(group.__doc__))
    assert [f.name for f in fields(group) if f.name not in explained] == []


@pytest.mark.parametrize("call", CALLS, ids=lambda c: c.label)
def test_every_argument_has_a_domain_and_what_lies_in_it_is_answered(call: Call) -> None:
    assert call.unnamed() == []
    call()


@pytest.mark.parametrize("case", OUTSIDE, ids=Outside.label)
def test_what_lies_just_outside_is_refused_in_one_sentence(case: Outside) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError) as caught:
            case.call(**{case.argument: case.value})
    text = str(caught.value)
    assert case.argument in text
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("call", "argument"), STORED, ids=lambda v: v.label if isinstance(v, Call) else v)
def test_how_numbers_are_stored_does_not_change_the_answer(call: Call, argument: str, kind: str) -> None:
    given = np.asarray(call.arguments[argument], float)
    stored = KINDS[kind](given)
    np.testing.assert_array_equal(np.asarray(stored, float), given, "the table's numbers must fit every kind")
    same(call(**{argument: stored}), call(**{argument: given}))


def same(one: Any, other: Any) -> None:
    """Equal answers: arrays to rounding (the order of a sum may follow that of the memory), of one dtype."""
    if isinstance(one, (tuple, list)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(one, (np.ndarray, np.generic, float)):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-12, atol=1e-14)
