"""The command line of a study: preset < TOML file < flags, one validation for all three, one sentence for each mistake.

argparse splits the arguments and pydantic validates the values, so that a flag and a line of a file get the same error
message. Nothing heavy is imported before the configuration is known to be valid.
"""

from __future__ import annotations

import argparse
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args, get_origin

from simlab.core import interrupts
from simlab.core.errors import DeviceError, InputError, NotWrittenError
from simlab.core.terminal import is_terminal, write_stderr, write_stdout
from simlab.lab.claim import Claim, exit_status
from simlab.lab.settings import check_data, preset_values, read_toml, suggestion, to_toml, validate
from simlab.lab.study import BaseConfig, Study

STATUS = (
    "exit status: 0 every claim holds, 1 one fails or is undecided, 2 bad input or nowhere to write,\n"
    "3 no such device, 130 interrupted, 143 terminated"
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are an InputError of one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise the error."""
        raise InputError(message.replace("argument --", "--") + ("" if message.endswith(".") else "."))


def main(study: Study, argv: Sequence[str] | None = None) -> int:
    """Parse, run, write, print; every expected failure is one line on stderr. Returns the exit status."""
    return guarded(lambda: _main(study, sys.argv[1:] if argv is None else list(argv)))


def guarded(work: Callable[[], int]) -> int:
    """The exit status of some work at the command line, with a line for each expected failure."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # unencodable signs must not abort a finished run
    try:
        try:
            return work()
        except SystemExit:  # --help and --version: argparse does not check that they were written
            write_stdout("")
            raise
    except InputError as error:
        return _fail(error, 2)
    except DeviceError as error:
        return _fail(error, 3)
    except KeyboardInterrupt as stop:
        number = getattr(stop, "number", signal.SIGINT)
        return _fail(interrupts.last_line(number, *map(str, stop.args)), 128 + number)
    except BrokenPipeError:  # `... | head`: the reader has closed the pipe
        return 141  # the status of a program that SIGPIPE ends
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: cannot be read or written ({error.strerror or error}).", 2)
    except MemoryError as error:
        return _fail(f"there is not enough memory ({str(error).rstrip('.') or 'of this machine'}).", 2)


def _main(study: Study, argv: list[str]) -> int:
    options, config = parse(study, argv)
    if options.resume is not None:
        from simlab.lab.folder import unfinished

        config = unfinished(study, Path(options.resume))
    if options.dry_run:
        check_data(study, config)
        write_stdout(to_toml(config))
        return 0
    return _execute(study, config, options.overwrite)


def parse(study: Study, argv: Sequence[str]) -> tuple[argparse.Namespace, BaseConfig]:
    """Flags over the TOML file over the preset."""
    parser = _parser(study)
    options, rest = parser.parse_known_args([_value(parser, _dashes(word)) for word in argv])
    for word in map(_bare, rest):
        flags = [f for action in parser._actions for f in action.option_strings if f.startswith("--")]
        raise InputError(
            f"there is no flag {word}{suggestion(word, flags)}" if word.startswith("-") else f"what is {word!r}?"
        )
    preset = preset_values(study, options.preset)
    given = {n: _bare(v) for n, v in vars(options).items() if n in study.config.model_fields}
    if options.resume is not None and (given or options.config or options.overwrite or options.preset != "default"):
        raise InputError("--resume goes on with the configuration of the run that was stopped; leave other flags out.")
    file = {} if options.config is None else read_toml(Path(_bare(options.config)))
    return options, validate(study, {**preset, **file, **given})


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


def finish(claims: Sequence[Claim], above: str, path: Path) -> int:
    """Print the claims of finished work, whose result is in `path`; their exit status, even if nobody reads."""
    try:
        write_stdout(f"{above}\n{claims_table(claims, is_terminal(sys.stdout))}\n")
    except BrokenPipeError:
        pass
    except InputError as error:
        _fail(f"{error} The claims are in {path}.", 2)
    return exit_status(claims)


def _execute(study: Study, config: BaseConfig, overwrite: bool) -> int:
    from simlab.core.device import Device
    from simlab.core.progress import Progress
    from simlab.lab import results, resume
    from simlab.lab.figure import replace_figures
    from simlab.lab.folder import RESULT, run_folder
    from simlab.lab.runner import run

    Device.open(config.device)  # before a folder is made
    study.load(config)
    with interrupts.raised(), run_folder(study, config, overwrite=overwrite) as folder:
        path = folder.path / RESULT
        with resume.word_of_resuming(study.name, folder.path), interrupts.with_word_of(path):
            result = run(study, config, Progress.to_stderr(), cells=folder.cells)
            claims, attrs = results.claims_of(result), result.attrs
            about = f"{study.title} ({attrs['run_time']:.0f} s on {attrs['device']}, seed {config.seed})\n"
            try:
                results.save(result, path, overwrite=folder.overwrite)
            except NotWrittenError as error:
                with suppress(InputError, BrokenPipeError):
                    write_stdout(f"{about}\n{claims_table(claims, is_terminal(sys.stdout))}\n")
                if error.kept:
                    resume.remove(folder.path)
                elif resume.can_resume(folder.path):
                    raise InputError(f"{error}\n{resume.how_to_resume(study.name, folder.path)}") from error
                raise
            paths = [path]
            try:
                paths += replace_figures(study, config, result, folder.path)
            except Exception as error:  # a plot may raise anything; the result is written
                _fail(f"{no_figure(error)} The result is whole; python -m simlab figure {path} draws it again.", 0)
            finally:
                resume.remove(folder.path)
            return finish(claims, about + "".join(f"wrote {path}\n" for path in paths), path)


def no_figure(error: Exception) -> str:
    """Why there is no figure, in a sentence of one line."""
    reason = " ".join(str(error).split()) or type(error).__name__
    reason = reason if len(reason) <= 200 else f"{reason[:197]}..."
    return f"the figure could not be drawn ({reason.rstrip('.')})."


def _parser(study: Study) -> argparse.ArgumentParser:
    command = f"python -m simlab run {study.name}"
    examples = ("--preset smoke", "--config my.toml --seed 1 --out runs/mine", "--dry-run > my.toml",
                "--resume runs/mine")  # fmt: skip
    parser = Parser(
        prog=command, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description=textwrap.fill(f"{study.title}. {study.question}", 100),
        epilog="\n".join(["examples:", *(f"  {command} {e}" for e in examples), "", STATUS]),
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
        "--config", metavar="FILE", help="a TOML file with any of the fields below; flags take precedence"
    )
    general.add_argument("--overwrite", action="store_true", help="replace what another run left in the folder --out")
    general.add_argument(
        "--resume", metavar="RUN", help="continue the run that was stopped in this folder; no other flags"
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
            help=(rest.rstrip(".") + _range(info) + _default(info.default)).replace("%", "%%"),
        )  # fmt: skip
    return parser


def _range(info: Any) -> str:
    """The allowed range of a number."""
    metadata = [*info.metadata]
    inner = get_args(info.annotation)[0] if get_origin(info.annotation) is tuple else None
    if get_origin(inner) is Annotated:
        metadata += [m for a in get_args(inner)[1:] for m in getattr(a, "metadata", [])]
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    limits = [f"{words[k]} {v:g}" for k in words for m in metadata if (v := getattr(m, k, None)) is not None]
    return f"; {' '.join(limits)}" if limits else ""


def _default(value: Any) -> str:
    """The default of a field as text; where it is None the description says what happens."""
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


def _value(parser: argparse.ArgumentParser, word: str) -> str:
    """A value such as -cos(x) or -1e-3 with a leading blank: argparse would take it for a flag."""
    known = {flag for action in parser._actions for flag in action.option_strings}
    return f" {word}" if word.startswith("-") and not word.startswith("--") and word not in known else word


def _bare(value: Any) -> Any:
    """The value without that blank."""
    if isinstance(value, list):
        return [_bare(v) for v in value]
    return value[1:] if isinstance(value, str) and value.startswith(" -") else value


def _fail(message: object, status: int) -> int:
    write_stderr("".join(f"simlab: {line}\n" for line in str(message).splitlines()))
    return status
