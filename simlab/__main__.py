"""`python -m simlab`: list, run, figure, claims, derive; record, seeds and report keep the laboratory notebook."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from simlab import __version__, studies
from simlab.core import interrupts
from simlab.core.errors import InputError
from simlab.core.terminal import is_terminal, write_stdout
from simlab.lab import cli
from simlab.lab.claim import Claim, exit_status
from simlab.lab.settings import suggestion, to_toml

EPILOG = f"""examples:
  python -m simlab list
  python -m simlab run langevin_drift --preset smoke
  python -m simlab derive fokker_planck

{cli.STATUS}"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of the laboratory; returns the exit status."""
    return cli.guarded(lambda: _main(sys.argv[1:] if argv is None else list(argv)))


def _main(argv: list[str]) -> int:
    parser = cli.Parser(
        prog="python -m simlab", description="A laboratory for the theory of deep learning: simulate, derive, compare.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"simlab {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("list", help="the studies and what each asks")
    run = commands.add_parser(
        "run", help="run a study; further flags are the study's own: run NAME --help", add_help=False
    )
    figure = commands.add_parser("figure", help="draw the figures of a result again, beside it")
    figure.add_argument("run", metavar="RUN", help="the folder of a run, or its result.nc")
    figure.add_argument("--scene", metavar="NAME", nargs="+", help="these scenes only (default: all, and the overview)")
    figure.add_argument("--format", metavar="KIND", nargs="+", help="png, svg or pdf (default: png and svg)")
    claims = commands.add_parser("claims", help="claims of the committed records: all, or those of these names")
    claims.add_argument("claims", metavar="CLAIM", nargs="*", help="a scene or one claim, such as walk or walk/ito")
    derive = commands.add_parser("derive", help="print a derivation as Markdown; without NAME, list them")
    record = commands.add_parser("record", help="run a study and write its record into this checkout", add_help=False)
    commands.add_parser("report", help="write the reports and the tables of claims anew, from the records as they are")
    seeds = commands.add_parser("seeds", help="run a study with other seeds and note how often its claims hold")
    for command in (run, record, seeds):
        command.add_argument("name", metavar="NAME")
    derive.add_argument("name", metavar="NAME", nargs="?")
    seeds.add_argument("--count", type=int, default=10, help="seeds 1, 2, ... (default: 10)")
    options, rest = parser.parse_known_args(argv)
    if options.command is None:
        raise InputError(f"{f'what is {rest[0]}? ' if rest else ''}Name a command: {', '.join(_COMMANDS)}.")
    if rest and options.command not in ("run", "record", "seeds"):
        raise InputError(f"what is {' '.join(rest)}? Try python -m simlab --help.")
    return _COMMANDS[options.command](options, rest)


def _list(options: argparse.Namespace, rest: list[str]) -> int:
    for name in studies.names():
        try:
            study = studies.load(name)
        except InputError as error:  # another package's
            write_stdout(f"{name:<18} {error}\n")
            continue
        write_stdout(f"{name:<18} {study.title} ({', '.join(study.scenes)})\n")
    return 0


def _run(options: argparse.Namespace, rest: list[str]) -> int:
    return cli.main(studies.load(options.name), rest)


def _claims(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab.lab.records import recorded

    found = recorded(studies.STUDIES)
    if not found:
        raise InputError("there are no records yet; write one with `python -m simlab record NAME`.")
    known = [c.name for claims in found.values() for c in claims]
    for name in options.claims:
        if not any(_belongs(claim, name) for claim in known):
            raise InputError(f"there is no claim {name!r}{suggestion(name, known)}")
    chosen = {
        name: [c for c in claims if not options.claims or any(_belongs(c.name, one) for one in options.claims)]
        for name, claims in found.items()
    }
    for name, claims in chosen.items():
        if claims:
            write_stdout(f"{name}\n{cli.claims_table(claims, is_terminal(sys.stdout))}\n")
            write_stdout("".join(_origin(c) for c in claims if options.claims) + "\n")
    return exit_status([c for claims in chosen.values() for c in claims])


def _belongs(claim: str, name: str) -> bool:
    """Whether a claim has this name, or is of the scene of this name."""
    return name in (claim, claim.partition("/")[0])


def _origin(claim: Claim) -> str:
    """Where a claim comes from, and where its equation is derived."""
    page = claim.equation.partition("#")[0]
    derived = f"; derived by python -m simlab derive {page}" if page else ""
    return f"{claim.name}: from {claim.source}{derived}\n"


def _derive(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab.theory import document

    if options.name is None:
        write_stdout("\n".join(document.names()) + "\n")
        return 0
    if options.name not in document.names():
        raise InputError(f"there is no derivation {options.name!r}; there are {', '.join(document.names())}.")
    write_stdout(document.render(options.name) + "\n")
    return 0


def _record(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab.core.progress import Progress
    from simlab.lab import records, resume
    from simlab.lab.results import claims_of
    from simlab.lab.runner import run

    study = studies.load(options.name)
    words, config = cli.parse(study, rest)
    if words.dry_run:
        write_stdout(to_toml(config))
        return 0
    if rest:
        raise InputError(f"a record is that of the default configuration; leave {' '.join(rest)} out.")
    folder = records.root() / study.name
    records.require_clean()
    study.load(config)
    with interrupts.raised(), resume.until_done(Path("runs") / study.name / "record") as cells:
        result = run(study, config, Progress.to_stderr(), cells=cells)
        with interrupts.with_word_of(folder / "record.nc"):
            records.write_record(study, config, result, folder)
            records.update_tables([studies.load(name) for name in studies.STUDIES])
            return cli.finish(claims_of(result), f"wrote {folder}", folder / "record.nc")


def _seeds(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab.lab import records, resume
    from simlab.lab.results import claims_of
    from simlab.lab.runner import run

    study = studies.load(options.name)
    words, config = cli.parse(study, rest)
    if words.resume is not None or words.overwrite or config.out is not None:
        raise InputError("seeds takes no --resume, --overwrite and --out: the same command goes on by itself.")
    if options.count < 1:
        raise InputError(f"count = {options.count}: must be at least 1.")
    if words.dry_run:
        write_stdout(to_toml(config))
        return 0
    if not rest:  # the default configuration: what is found goes into the record
        records.require_clean()
    study.load(config)
    with interrupts.raised(), ExitStack() as kept:
        runs = {}
        for seed in range(1, options.count + 1):
            cells = kept.enter_context(resume.until_done(Path("runs") / study.name / "seeds" / str(seed)))
            runs[seed] = claims_of(run(study, config.model_copy(update={"seed": seed}), cells=cells))
            bad = [c.name for c in runs[seed] if c.verdict != "holds"]
            write_stdout(f"seed {seed}: {'all claims hold' if not bad else 'not held: ' + ', '.join(bad)}\n")
        summary = records.seeds_summary(runs)
        write_stdout(f"all claims held in {summary['all_held']} of {options.count} runs\n")
        if rest:
            write_stdout("not the default configuration: the record was left as it is\n")
        else:
            folder = records.root() / study.name
            with interrupts.with_word_of(folder / "seeds.json"):
                records.write_seeds(study, summary, folder)
    return 0


def _figure(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab.lab import results
    from simlab.lab.figure import FORMATS, write_figures

    path = Path(options.run)
    path = path / "result.nc" if path.is_dir() else path
    result = results.load(path)
    study = studies.load(str(result.attrs["simlab_study"]))
    formats = options.format or ["png", "svg"]
    if unknown := [f for f in formats if f not in FORMATS]:
        raise InputError(f"format: there is no format {unknown[0]!r}; there are {', '.join(FORMATS)}.")
    try:
        config = study.config.model_validate_json(result.attrs["simlab_config"])
        with interrupts.raised():
            paths = write_figures(study, config, result, path.parent, scenes=options.scene, formats=formats)
    except InputError:
        raise
    except Exception as error:  # a config of another version, a record without what a panel shows, a full disk
        raise InputError(cli.no_figure(error)) from error
    write_stdout("".join(f"wrote {p}\n" for p in paths))
    return 0


def _report(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab.lab import records

    for name in records.recorded(studies.STUDIES):
        records.write_report(studies.load(name), records.root() / name)
        write_stdout(f"wrote {records.root() / name / 'report.md'}\n")
    records.update_tables([studies.load(name) for name in studies.STUDIES])
    return 0


_COMMANDS = {
    "list": _list,
    "report": _report,
    "run": _run,
    "claims": _claims,
    "derive": _derive,
    "figure": _figure,
    "record": _record,
    "seeds": _seeds,
}


if __name__ == "__main__":
    raise SystemExit(main())
