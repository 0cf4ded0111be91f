"""The rule that bad input is held to: one sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def refused_in_one_sentence(call: Callable[[], Any], message: str, error: type[ValueError] = ValueError) -> None:
    """The call raises this error; its text matches the message, ends with a full stop and is a single line."""
    with pytest.raises(error, match=message) as caught:
        call()
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
