"""From flags and files to a Config and back: one validation for all of them, one sentence for each mistake."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simlab.errors import InputError
from simlab.study import BaseConfig, Study

WORDS = {
    "Input should be a valid tuple": "must be a list",
    "Input is not a valid path for <class 'pathlib.Path'>": "must be a path",
    "Tuple should": "must",
    "Input should be": "must be",
    " after validation": "",
    "Value error, ": "",
}
"""pydantic's words, and ours."""


def validate(study: Study, values: Mapping[str, Any]) -> BaseConfig:
    """The config, or one InputError with a sentence for every bad field."""
    told = []
    try:
        config = study.config.model_validate(dict(values))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # A bad entry also makes its tuple too short: once is enough.
        entries = {e["loc"][0] for e in errors if len(e["loc"]) > 1}
        told = [_sentence(study, e) for e in errors if e["type"] != "too_short" or e["loc"][0] not in entries]
    scenes = values.get("scenes", ())
    listed = scenes if isinstance(scenes, (list, tuple)) else ()
    unknown = [repr(name) for name in listed if isinstance(name, str) and name not in study.scenes]
    if unknown:
        told.append(f"scenes: there is no scene {', '.join(unknown)}; there are {', '.join(study.scenes)}.")
    if told:
        raise InputError("\n".join(told))
    return config


def check_data(study: Study, config: BaseConfig) -> None:
    """Open the user's own file, where one is given, as the scenes of a run would; InputError where they could not."""
    if getattr(config, "data", None) is not None:  # the scenes bring NumPy, for which a plain dry run does not wait
        for name in study.chosen(config):
            study.scene(name).check(config)


def read_toml(path: Path) -> dict[str, Any]:
    """The fields of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"config: there is no file {path}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"config: {path} is not text in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"config: {path} is not TOML: {error}.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"config: cannot read {path} ({getattr(error, 'strerror', error)}).") from error


def to_toml(config: BaseConfig) -> str:
    """The config as a TOML file that --config reads back."""
    fields = config.model_dump(mode="json").items()
    # TOML has no null: a field that is not set is not written. Its strings are JSON's, but for one character.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields if value is not None]
    return "\n".join(lines).replace("\x7f", "\\u007f") + "\n"


def meant(word: str, known: Sequence[str]) -> str:
    """The end of a sentence: what was probably meant, or what there is."""
    begun = [k for k in known if len(word.strip("-")) > 2 and k.startswith(word)]
    near = begun or difflib.get_close_matches(word, known, 1)
    return f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}."


def _sentence(study: Study, error: Any) -> str:
    """One pydantic error in our words."""
    place = [str(p) for p in error["loc"]]
    name = place[0] if place else "config"
    if error["type"] == "extra_forbidden":
        return f"there is no field {name!r}{meant(name, list(study.config.model_fields))}"
    message = error["msg"]
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    entry = f" (entry {int(place[1]) + 1})" if len(place) > 1 and place[1].isdigit() else ""
    given = error["input"]
    shown = repr(given) if isinstance(given, (str, int, float, list, tuple, dict)) else str(given)
    shown = shown if len(shown) < 80 else shown[:77] + "..."
    return f"{name}{entry} = {shown}: {message[0].lower() + message[1:]}."
