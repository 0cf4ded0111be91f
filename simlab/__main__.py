"""`python -m simlab`: list, run, claims, derive; record, seeds and report keep the laboratory notebook."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from simlab import __version__, cli, studies
from simlab.claims import exit_status
from simlab.errors import InputError
from simlab.settings import to_toml

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
    commands.add_parser("claims", help="the table of claims, from the committed records")
    derive = commands.add_parser("derive", help="print a derivation as Markdown; without NAME, list them")
    record = commands.add_parser("record", help="run a study and write its record into this checkout", add_help=False)
    commands.add_parser("report", help="write the reports and the README's table anew, from the records as they are")
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
    for name in studies.STUDIES:
        study = studies.load(name)
        print(f"{name:<18} {study.title} ({', '.join(study.scenes)})")
    return 0


def _run(options: argparse.Namespace, rest: list[str]) -> int:
    return cli.main(studies.load(options.name), rest)


def _claims(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab.records import recorded

    found = recorded(studies.STUDIES)
    if not found:
        raise InputError("there are no records yet; write one with `python -m simlab record NAME`.")
    for name, claims in found.items():
        print(f"{name}\n{cli.claims_table(claims, sys.stdout.isatty())}\n")
    return exit_status([c for claims in found.values() for c in claims])


def _derive(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab.theory import document

    if options.name is None:
        print("\n".join(document.names()))
        return 0
    if options.name not in document.names():
        raise InputError(f"there is no derivation {options.name!r}; there are {', '.join(document.names())}.")
    print(document.render(options.name))
    return 0


def _record(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab import records
    from simlab.progress import Progress
    from simlab.results import claims_of
    from simlab.study import run

    study = studies.load(options.name)
    words, config = cli.parse(study, rest)
    if words.dry_run:
        print(to_toml(config), end="")
        return 0
    if rest:
        raise InputError(f"a record is that of the default configuration; leave {' '.join(rest)} out.")
    folder = records.root() / study.name
    result = run(study, config, Progress.to_stderr())
    records.write_record(study, config, result, folder)
    records.update_readme(studies.STUDIES)
    print(f"wrote {folder}\n{cli.claims_table(claims_of(result), sys.stdout.isatty())}")
    return exit_status(claims_of(result))


def _seeds(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab import records
    from simlab.results import claims_of
    from simlab.study import run

    study = studies.load(options.name)
    words, config = cli.parse(study, rest)
    if options.count < 1:
        raise InputError(f"count = {options.count}: must be at least 1.")
    if words.dry_run:
        print(to_toml(config), end="")
        return 0
    runs = {}
    for seed in range(1, options.count + 1):
        runs[seed] = claims_of(run(study, config.model_copy(update={"seed": seed})))
        bad = [c.name for c in runs[seed] if c.verdict != "holds"]
        print(f"seed {seed}: {'all claims hold' if not bad else 'not held: ' + ', '.join(bad)}", flush=True)
    summary = records.seeds_summary(runs)
    print(f"all claims held in {summary['all_held']} of {options.count} runs")
    if rest:
        print("not the default configuration: the record was left as it is")
    else:
        records.write_seeds(study, summary, records.root() / study.name)
    return 0


def _report(options: argparse.Namespace, rest: list[str]) -> int:
    from simlab import records

    for name in records.recorded(studies.STUDIES):
        records.write_report(studies.load(name), records.root() / name)
        print(f"wrote {records.root() / name / 'report.md'}")
    records.update_readme(studies.STUDIES)
    return 0


_COMMANDS = {
    "list": _list,
    "report": _report,
    "run": _run,
    "claims": _claims,
    "derive": _derive,
    "record": _record,
    "seeds": _seeds,
}


if __name__ == "__main__":
    raise SystemExit(main())
