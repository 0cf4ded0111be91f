"""Quantities are found by the names of a scene's module, and no two of a scene have one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.lab.quantity import REFERENCES, RESERVED, Axis, Quantity, axis, names_of, quantity
from tests.lab.scenes import scene

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda n: not n.lower().endswith(RESERVED))


@given(st.lists(NAMES, unique_by=str.lower, max_size=8), st.integers(0, 8))
def test_a_quantity_is_stored_under_its_name_in_lower_case(names: list[str], own: int) -> None:
    declared = {name: axis(name) if i % 2 else quantity(name) for i, name in enumerate(names)}
    here, there = names[:own], names[own:]
    part = scene("part", **{n: declared[n] for n in there}, OTHER=3, other="no quantity")
    module = scene(**{n: declared[n] for n in here}, PARTS=(part,))
    assert names_of(module) == {declared[name]: name.lower() for name in names}


def test_two_quantities_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^casino\.dice\.Share: another quantity of this scene has the same name\.$"):
        names_of(scene(SHARE=quantity("one"), Share=quantity("other")))
    part = scene("part", SHARE=quantity("one"))
    with pytest.raises(ValueError, match=r"^casino\.part\.SHARE: another quantity"):
        names_of(scene(SHARE=quantity("other"), PARTS=(part,)))


def test_a_quantity_that_two_modules_import_is_one() -> None:
    share = quantity("one")
    parts = scene("part", SHARE=share), scene("more", SHARE=share)
    assert names_of(scene(SHARE=share, PARTS=parts)) == {share: "share"}
    assert names_of(scene(_SHARE=share)) == {}, "what is private is no part of the result"


@pytest.mark.parametrize("end", RESERVED)
def test_what_stands_beside_a_quantity_has_names_of_its_own(end: str) -> None:
    for name in (f"SHARE{end}", f"SHARE{end}".upper()):
        with pytest.raises(ValueError, match=rf"casino\.dice\.{name}: a quantity's name must not end in _se,"):
            names_of(scene(**{name: quantity("one")}))
    assert len(set(RESERVED)) == len(RESERVED)
    assert {kind.suffix for kind in REFERENCES} < set(RESERVED)


def test_a_quantity_is_itself_and_no_other_of_the_same_meaning() -> None:
    one, other = quantity("share", unit="1"), quantity("share", unit="1")
    assert one != other
    assert len({one, other}) == 2
    place = axis("angle", "rad")
    assert isinstance(place, Axis)
    assert isinstance(place, Quantity)
    assert (place.axes, place.unit) == ((), "rad")
