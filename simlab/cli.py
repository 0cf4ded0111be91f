"""The command line of a study: preset < TOML file < flags, one validation for all three, one sentence for each mistake.

argparse splits the words and pydantic judges the values, so a flag and a line of the file are refused in the same
words. Nothing heavy is imported before the configuration is known to be good.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args, get_origin

from pydantic import ValidationError

from simlab.claims import Claim, exit_status
from simlab.errors import DeviceError, InputError
from simlab.study import BaseConfig, Study, output_folder, run, write

STATUS = "exit status: 0 every claim holds, 1 one fails or is undecided, 2 bad input, 3 no such device, 130 interrupted"
NOT_SAVED = {"out"}


class _Parser(argparse.ArgumentParser):
    """argparse with our way of refusing."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message.replace("argument --", "--") + ("" if message.endswith(".") else "."))


def main(study: Study, argv: Sequence[str] | None = None) -> int:
    """Parse, run, write, print; every expected failure is one line on stderr."""
    try:
        options, config = parse(study, sys.argv[1:] if argv is None else list(argv))
        if options.dry_run:
            sys.stdout.write(to_toml(config))
            return 0
        return _execute(study, config)
    except InputError as error:
        return _say(error, 2)
    except DeviceError as error:
        return _say(error, 3)
    except KeyboardInterrupt:
        return _say("interrupted; nothing was written.", 130)


def parse(study: Study, argv: Sequence[str]) -> tuple[argparse.Namespace, BaseConfig]:
    """Flags over the TOML file over the preset."""
    parser = _parser(study)
    options, rest = parser.parse_known_args(_joined(parser, [_dashes(word) for word in argv]))
    for word in rest:
        flags = [f for action in parser._actions for f in action.option_strings if f.startswith("--")]
        raise InputError(
            f"there is no flag {word}{_meant(word, flags)}" if word.startswith("-") else f"what is {word!r}?"
        )
    given = {n: v for n, v in vars(options).items() if n in study.config.model_fields}
    if options.preset not in {"default", *study.presets}:
        known = ", ".join(sorted({"default", *study.presets}))
        raise InputError(f"preset: there is no preset {options.preset!r}; there are {known}.")
    file = read_toml(study, options.config) if options.config else {}
    return options, validate(study, {**study.presets.get(options.preset, {}), **file, **given})


def validate(study: Study, values: Mapping[str, Any]) -> BaseConfig:
    """The config, or one InputError with a sentence for every bad field."""
    try:
        config = study.config.model_validate(dict(values))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # A bad entry also makes its tuple too short: once is enough.
        entries = {e["loc"][0] for e in errors if len(e["loc"]) > 1}
        told = [e for e in errors if e["type"] != "too_short" or e["loc"][0] not in entries]
        raise InputError("\n".join(_sentence(study, e) for e in told)) from None
    study.chosen(config)
    return config


def read_toml(study: Study, path: Path) -> dict[str, Any]:
    """The fields of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"config: there is no file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"config: cannot read {path} ({error}).") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"config: {path} is not TOML: {error}.") from error


def to_toml(config: BaseConfig) -> str:
    """The config as a TOML file that --config reads back."""
    lines = []
    for name, value in config.model_dump(mode="json", exclude=NOT_SAVED).items():
        if value is not None:  # TOML has no null: a field that is not set is not written
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def claims_table(claims: Sequence[Claim], color: bool = False) -> str:
    """Claims as text: verdict, name, what was measured, what would be accepted; below it the sentence and the bound."""
    paint = {"holds": "32", "fails": "31;1", "undecided": "33"} if color else {}
    lines = [f"{'verdict':<10} {'claim':<26} {'measured':>24}   accepted"]
    for c in claims:
        verdict = f"{c.verdict:<10}"
        if c.verdict in paint:
            verdict = f"\x1b[{paint[c.verdict]}m{verdict}\x1b[0m"
        lines.append(f"{verdict} {c.name:<26} {c.quantity:>24}   {c.limits}")
        text = f"{c.statement} [{c.why}]" + (f" NOTE: {c.note}." if c.note else "")
        lines += textwrap.wrap(text, 96, initial_indent=" " * 11, subsequent_indent=" " * 11, break_on_hyphens=False)
    held = sum(c.verdict == "holds" for c in claims)
    return "\n".join([*lines, f"{held} of {len(claims)} claims hold"])


def _execute(study: Study, config: BaseConfig) -> int:
    from simlab.device import Device
    from simlab.progress import Progress

    Device.open(config.device)  # before a folder is made
    with output_folder(study, config) as folder:
        result = run(study, config, Progress.to_stderr())
        paths = write(study, config, result, folder)
    from simlab.results import claims_of

    claims = claims_of(result)
    lines = [f"{study.title} ({result.attrs['run_time']:.0f} s on {result.attrs['device']}, seed {config.seed})"]
    lines += [f"wrote {path}" for path in paths]
    sys.stdout.write("\n".join(lines) + "\n\n" + claims_table(claims, sys.stdout.isatty()) + "\n")
    return exit_status(claims)


def _parser(study: Study) -> argparse.ArgumentParser:
    module = study.package
    examples = ("--preset smoke", "--config my.toml --seed 1 --out runs/mine", "--dry-run > my.toml")
    parser = _Parser(
        prog=f"python -m {module}", allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description=textwrap.fill(f"{study.title}. {study.question}", 100),
        epilog="\n".join(["examples:", *(f"  python -m {module} {e}" for e in examples), "", STATUS]),
    )  # fmt: skip
    general = parser.add_argument_group("run")
    presets = ", ".join(dict.fromkeys(["smoke", "default", "full", *study.presets]))
    general.add_argument(
        "--preset",
        default="default",
        metavar="NAME",
        help=f"a set of values to start from: {presets} (default: default)",
    )
    general.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with any of the fields below; flags win over it"
    )
    general.add_argument("--dry-run", action="store_true", help="print the resolved configuration as TOML and stop")
    groups: dict[str, Any] = {"": general}
    for name, info in study.config.model_fields.items():
        text = info.description or ""
        scene, _, rest = text.partition(": ")
        if scene not in study.scenes:
            scene, rest = "", text
        group = groups.get(scene) or groups.setdefault(scene, parser.add_argument_group(f"scene {scene}"))
        group.add_argument(
            _dashes(f"--{name}"), dest=name, default=argparse.SUPPRESS, metavar=_metavar(info.annotation),
            nargs="+" if get_origin(info.annotation) is tuple else None,
            help=(rest.rstrip(".") + _default(info.default)).replace("%", "%%"),
        )  # fmt: skip
    return parser


def _default(value: Any) -> str:
    """The default of a field; of one that is not set, its description says what happens then."""
    if value in (None, ()):
        return ""
    return f" (default: {' '.join(map(str, value)) if isinstance(value, tuple) else value})"


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is tuple:
        return _metavar(get_args(annotation)[0])
    choices = [a for a in get_args(annotation) if isinstance(a, str)]
    if choices:
        return "{" + ",".join(choices) + "}"
    kinds = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return next((word for kind, word in kinds.items() if annotation is kind or kind in get_args(annotation)), "VALUE")


def _dashes(word: str) -> str:
    """--walk_dt is --walk-dt."""
    flag, equals, value = word.partition("=")
    return flag.replace("_", "-") + equals + value if word.startswith("--") else word


def _joined(parser: argparse.ArgumentParser, argv: list[str]) -> list[str]:
    """--potential -cos(x) as --potential=-cos(x): argparse would take a value that begins with a dash for a flag."""
    single = {
        f for action in parser._actions if action.nargs is None and action.const is None for f in action.option_strings
    }
    words: list[str] = []
    for word in argv:
        if words and words[-1] in single and word.startswith("-") and not word.startswith("--"):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _sentence(study: Study, error: Any) -> str:
    """One pydantic error in our words."""
    place = [str(p) for p in error["loc"]]
    name = place[0] if place else "config"
    if error["type"] == "extra_forbidden":
        return f"there is no field {name!r}{_meant(name, list(study.config.model_fields))}"
    message = (
        error["msg"]
        .replace("Input should be", "must be")
        .replace("Tuple should", "must")
        .replace(" after validation", "")
    )
    entry = f" (entry {int(place[1]) + 1})" if len(place) > 1 and place[1].isdigit() else ""
    return f"{name}{entry} = {error['input']!r}: {message[0].lower() + message[1:]}."


def _meant(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}."


def _say(message: object, status: int) -> int:
    sys.stderr.write("".join(f"simlab: {line}\n" for line in str(message).splitlines()))
    return status
