"""From flags and files to a Config and back: one validation for all of them, one sentence for each mistake."""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simlab.core.errors import InputError, did_you_mean
from simlab.lab.study import BaseConfig, Study

WORDS = {
    "Input should be a valid tuple": "must be a list",
    "Input is not a valid path for <class 'pathlib.Path'>": "must be a path",
    "Tuple should": "must",
    "Input should be": "must be",
    " after validation": "",
    "Value error, ": "",
}
"""Replacements in the messages of pydantic."""
LARGEST = 20_000
"""Bytes of a TOML file: ten times what any study writes, and parsed within a second, whatever they are."""
DEEPEST = 8
"""Lists in lists: a field has one."""
MOST_LINES = 20
"""Mistakes that are listed; the others are counted."""


def validate(study: Study, values: Mapping[str, Any]) -> BaseConfig:
    """The config, or one InputError with a sentence for every bad field."""
    mistakes = [f"{name} = {value!a}: must be text in UTF-8." for name, value in values.items() if not _is_text(value)]
    if mistakes:
        raise InputError("\n".join(mistakes))
    try:
        config = study.config.model_validate(dict(values))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # A bad entry also makes its tuple too short: once is enough.
        entries = {e["loc"][0] for e in errors if len(e["loc"]) > 1}
        mistakes = [_sentence(study, e) for e in errors if e["type"] != "too_short" or e["loc"][0] not in entries]
    scenes = values.get("scenes", ())
    listed = scenes if isinstance(scenes, (list, tuple)) else ()
    unknown = [repr(name) for name in listed if isinstance(name, str) and name not in study.scenes]
    if unknown:
        mistakes.append(f"scenes: there is no scene {', '.join(unknown)}; there are {', '.join(study.scenes)}.")
    if mistakes:
        more = [f"there are {len(mistakes) - MOST_LINES} more mistakes."] if len(mistakes) > MOST_LINES else []
        raise InputError("\n".join([*mistakes[:MOST_LINES], *more]))
    return config


def preset_values(study: Study, preset: str) -> Mapping[str, Any]:
    """The fields of a preset; InputError where there is none of this name."""
    known = sorted({"default", *study.presets})
    if preset not in known:
        raise InputError(f"preset: there is no preset {preset!r}; there are {', '.join(known)}.")
    return study.presets.get(preset, {})


def check_data(study: Study, config: BaseConfig) -> None:
    """Open the user's own file, where one is given, as the scenes of a run would; InputError where they could not."""
    if getattr(config, "data", None) is not None:  # scenes import NumPy, which a plain dry run does not need
        study.check(config)


def read_toml(path: Path) -> dict[str, Any]:
    """The fields of a TOML file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device may never end
            raise InputError(f"config: {path} is not a text file; write one and name it.")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError(f"config: {path} is too long for a configuration, at most {LARGEST:,} bytes are allowed.")
        values = tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
        if _deeper(values, DEEPEST):
            raise RecursionError
    except FileNotFoundError as error:
        raise InputError(f"config: there is no file {path}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"config: {path} is not text in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"config: {path} is not TOML: {error}.") from error
    except RecursionError as error:
        raise InputError(f"config: {path} has more than {DEEPEST} lists or tables in each other.") from error
    except InputError:
        raise
    except (OSError, ValueError) as error:
        if "digits" in str(error):  # Python reads no whole number of more than 4,300
            raise InputError(f"config: {path} holds a number of thousands of digits; write a shorter one.") from error
        raise InputError(f"config: cannot read {path} ({getattr(error, 'strerror', error)}).") from error
    return values


def _deeper(value: Any, levels: int) -> bool:
    """Whether lists and tables are nested more than this many levels deep."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_deeper(part, levels - 1) for part in parts if isinstance(part, (dict, list)))


def to_toml(config: BaseConfig) -> str:
    """The config as a TOML file that --config reads back."""
    fields = config.model_dump(mode="json").items()
    # TOML has no null: a field that is not set is not written. Its strings are those of JSON, except for one character.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields if value is not None]
    return "\n".join(lines).replace("\x7f", "\\u007f") + "\n"


def suggestion(word: str, known: Sequence[str]) -> str:
    """The end of a sentence: what was probably meant, or the possible values."""
    begun = [k for k in known if len(word.strip("-")) > 2 and k.startswith(word)]
    near = f", did you mean {begun[0]}?" if begun else did_you_mean(word, known)
    return near or f"; there are {', '.join(known)}."


def _sentence(study: Study, error: Any) -> str:
    """One pydantic error as a sentence."""
    place = [str(p) for p in error["loc"]]
    name = place[0] if place else "config"
    if error["type"] == "extra_forbidden":
        return f"there is no field {name!r}{suggestion(name, list(study.config.model_fields))}"
    message = error["msg"]
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    entry = f" (entry {int(place[1]) + 1})" if len(place) > 1 and place[1].isdigit() else ""
    return f"{name}{entry} = {_shown(error['input'])}: {message[0].lower() + message[1:]}."


def _shown(given: Any) -> str:
    """A value as shown in a sentence."""
    try:
        shown = repr(given) if isinstance(given, (str, int, float, list, tuple, dict)) else str(given)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return shown if len(shown) < 80 else shown[:77] + "..."


def _is_text(value: Any) -> bool:
    """Whether all text in a value can be written; a file name may hold bytes that are not text."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    try:
        for part in parts:
            str(part if isinstance(part, (str, Path)) else "").encode()
    except UnicodeEncodeError:
        return False
    return True
