"""A study's command line: a run, its files and its table; flag, file and preset alike; Ctrl-C leaves nothing."""

from __future__ import annotations

import functools
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import studies
from simlab.core.errors import InputError
from simlab.lab import cli, results, runner, settings
from simlab.studies.langevin_drift import STUDY
from simlab.studies.langevin_drift.config import Config
from tests.cli_helpers import FILES, HANGS, MODULE, QUICK, WALK, Answer, Terminal, contents, process

HEAVY = ("numpy", "scipy", "sympy", "numba", "xarray", "matplotlib", "h5py", "sklearn", "rich", "jinja2", "cupy")
TOML = 'walkers = 2e3\nscenes = ["walk"]\nseed = 5\nwalk_dt = 0.02\nout = "mine/deep"\n'


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path, capsys)


def is_a_run(answer: Answer, folder: Path, scene: str = "walk") -> None:
    """The paths, then the table; and an exit status that says what the table says."""
    wrote, table = answer.out.split("\n\n")
    names = ["result.nc", *(f"{name}.{kind}" for name in ("figure", scene) for kind in ("png", "svg"))]
    assert re.findall("^wrote (.*)$", wrote, re.MULTILINE) == [str(folder / name) for name in names]
    verdicts = re.findall("^(holds|fails|undecided) ", table, re.MULTILINE)
    held = verdicts.count("holds")
    assert table.endswith(f"\n{held} of {len(verdicts)} claims hold\n")
    assert verdicts
    assert answer.status == int(held != len(verdicts))


def test_a_file_of_a_user_s_own_runs_from_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(TOML)
    answer = process("-m", MODULE, "--config", "my.toml", "--seed", "1e1", cwd=tmp_path)
    is_a_run(answer, Path("mine/deep"))
    assert "\x1b" not in answer.out + answer.err
    lines = answer.err.splitlines()
    assert lines
    assert all(re.fullmatch(r"walk: .*: done in \d+\.\d s", line) for line in lines), "progress in a log: plain lines"
    made = tmp_path / "mine/deep"
    assert {p.name for p in made.iterdir()} == FILES
    assert (made / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (made / "figure.svg").read_text("utf-8")
    result = results.load(made / "result.nc")
    config = json.loads(result.attrs["simlab_config"])
    assert (config["walkers"], config["seed"], config["walk_dt"]) == (2000, 10, 0.02)
    assert set(result.children) == {"walk", "claims"}


def test_a_terminal_sees_a_bar_and_a_pipe_gets_plain_text(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "simlab", "run", "langevin_drift", *WALK]
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment
    ) as running:
        os.close(theirs)
        seen = b""
        while chunk := _read(ours):
            seen += chunk
        assert running.stdout is not None
        out = running.stdout.read()
    os.close(ours)
    is_a_run(Answer(running.returncode, out, ""), Path("out"))
    assert "━" in seen.decode()
    assert "\x1b[" in seen.decode()
    assert "\x1b" not in out


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other end is gone
        return b""


@pytest.mark.parametrize("finished", [False, True], ids=["no cell is finished", "a cell is finished"])
def test_ctrl_c_ends_a_run_with_130_and_leaves_what_was_there(tmp_path: Path, finished: bool) -> None:
    old = {"out/result.nc": b"of an older run", "out/figure.svg": b"of it, too"}
    (tmp_path / "out").mkdir()
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    words = [sys.executable, "-m", MODULE, *WALK, "--walkers", "16384", "--walk-dt", "2e-3", "--overwrite"]
    awaited = "[!.]*.npz" if finished else "config.toml"
    # A shell starts what runs in the background with the signal ignored, and a child would inherit that.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": heed}
    with subprocess.Popen(words, cwd=tmp_path, **pipes) as running:
        while running.poll() is None and not list((tmp_path / "out").glob(f"cells/{awaited}")):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=HANGS)
    assert running.returncode == 130
    how = "go on with: python -m simlab run langevin_drift --resume out" if finished else "nothing was written."
    assert (out, err) == ("", f"simlab: interrupted; {how}\n")
    left = contents(tmp_path)
    kept = {name for name in left if name.startswith("out/cells")}
    assert {name: content for name, content in left.items() if name not in kept} == {"out": None, **old}
    assert {Path(name).suffix for name in kept} == ({"", ".npz", ".toml"} if finished else set())


def test_what_needs_no_run_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "nan.toml").write_text("dt = nan")
    runs = [
        [MODULE, "--help"], [MODULE, "--dry-run"], [MODULE, "--walkers", "0"], [MODULE, "--config", "nan.toml"],
        ["simlab", "--help"], ["simlab", "list"], ["simlab", "run", "NOPE"],
    ]  # fmt: skip
    program = f"""
import runpy, sys
status = []
for words in {runs!r}:
    sys.argv = words
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as leave:
        status.append(leave.code or 0)
print("\\n", status, [m for m in {HEAVY!r} if m in sys.modules])
"""
    answer = process("-c", program, cwd=tmp_path)
    assert answer.out.splitlines()[-1] == " [0, 0, 2, 2, 0, 0, 2] []", answer


def test_a_real_process_refuses_without_a_traceback(tmp_path: Path) -> None:
    answer = process("-m", MODULE, "--potential", "-x**4", "--out", "a/b", cwd=tmp_path)
    assert answer.status == 2
    assert "Traceback" not in answer.err
    Terminal.is_refusal(answer, "potential", "confine")
    assert contents(tmp_path) == {}


def test_a_reader_that_has_seen_enough_gets_no_traceback(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", MODULE, "--dry-run"]
    done = subprocess.run(words, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""


def test_a_terminal_without_greek_gets_the_table_too(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(paper, encoding="ascii"))
    assert terminal.study(*WALK).status in (0, 1)
    sys.stdout.flush()
    assert b"claims hold" in paper.getvalue()


def test_help_shows_every_field_with_its_meaning_and_default(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit) as leave:
        cli.main(STUDY, ["--help"])
    assert not leave.value.code
    text = " ".join(terminal.capsys.readouterr().out.split())
    for name, field in Config.model_fields.items():
        scene, _, rest = (field.description or "").rstrip(".").partition(": ")
        values = field.default if isinstance(field.default, tuple) else [field.default]
        default = f" (default: {' '.join(map(str, values))})" if field.default not in (None, ()) else ""
        assert f" --{name.replace('_', '-')} " in text
        about = text.partition(rest if scene in STUDY.scenes else f"{scene}: {rest}" if rest else scene)[2]
        assert default in about[:80], name  # the range lies between
    for word in ("--preset", "--config", "--dry-run", *STUDY.presets, *STUDY.scenes, "130 interrupted"):
        assert word in text


def test_a_flag_wins_over_the_file_and_the_file_over_the_preset(terminal: Terminal) -> None:
    Path("c.toml").write_text("walkers = 3e3\ndt = 0.03\nkicks = [0.1, 0.2]")
    words = ["--walkers", "1e6", "--config", "c.toml", "--preset", "smoke", "--dry-run"]
    told = tomllib.loads(terminal.study(*words).out)
    assert (told["walkers"], told["dt"], told["kicks"]) == (1000000, 0.03, [0.1, 0.2])
    assert told["duration"] == STUDY.presets["smoke"]["duration"]
    assert told["temperature"] == Config.model_fields["temperature"].default
    assert contents(terminal.folder).keys() == {"c.toml"}


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("--walkers 1e6", "walkers", 1000000), ("--walkers=2048.0", "walkers", 2048), ("--seed 1e3", "seed", 1000),
        ("--walkers 4194304", "walkers", 4194304), ("--walk_dt 1e-3", "walk_dt", 0.001), ("--lr=.5", "lr", 0.5),
        ("--potential -cos(x)", "potential", "-cos(x)"), ("--potential=-x**4", "potential", "-x**4"),
        ("--dts 0.1 .2 3e-1 1", "dts", [0.1, 0.2, 0.3, 1.0]), ("--scenes valley walk", "scenes", ["valley", "walk"]),
        ("--data -x.npz", "data", "-x.npz"), ("--out runs/mine", "out", "runs/mine"), ("--seed 1 --seed 2", "seed", 2),
    ],
)  # fmt: skip
def test_a_flag_is_taken_at_its_word(terminal: Terminal, words: str, field: str, value: Any) -> None:
    if field == "data":  # which is opened
        x = np.random.default_rng(0).standard_normal((20, 2))
        np.savez(terminal.folder / value, X=x, y=x[:, 0] + x[:, 1] ** 2)
    answer = terminal.study(*words.split(), "--dry-run")
    assert (answer.status, answer.err) == (0, "")
    told = tomllib.loads(answer.out)[field]
    assert told == value
    assert type(told) is type(value)


@pytest.mark.parametrize("preset", ["default", *STUDY.presets])
def test_a_dry_run_is_a_file_that_means_the_same(terminal: Terminal, preset: str) -> None:
    words = ["--out", "there", "--data", "my data/π 😀.npz", "--scenes", "walk", "--lr", "1e-5"]
    told = terminal.study(*words, "--preset", preset, "--dry-run").out
    Path("c.toml").write_text(told, "utf-8")
    assert cli.parse(STUDY, ["--config", "c.toml"])[1] == cli.parse(STUDY, [*words, "--preset", preset])[1]
    assert terminal.study("--config", "c.toml", "--preset", "full", "--dry-run").out == told


@given(
    potential=st.text(), seed=st.integers(0, 2**63 - 1), temperature=st.floats(1e-6, 1e6),
    dts=st.lists(st.floats(1e-6, 10), min_size=4, unique=True), step=st.floats(1e-3, 2, exclude_max=True),
    scenes=st.lists(st.sampled_from(STUDY.scenes)),
)  # fmt: skip
def test_toml_keeps_every_bit_of_a_config(**values: Any) -> None:
    config = Config.model_validate(values)
    assert settings.validate(STUDY, tomllib.loads(settings.to_toml(config))) == config


def test_files_beside_a_result_survive_and_another_run_replaces_it_whole(terminal: Terminal) -> None:
    Path("out/notes").mkdir(parents=True)
    Path("out/notes/mine.txt").write_text("keep me")
    is_a_run(terminal.study(*WALK), Path("out"))
    first = contents(terminal.folder)
    terminal.refuses(["--scenes", "walk", "--seed", "1"], "out = 'out'", "result.nc", "--overwrite")
    is_a_run(terminal.study(*WALK, "--seed", "1", "--overwrite"), Path("out"))
    second = contents(terminal.folder)
    assert first.keys() == second.keys() == {f"out/{n}" for n in FILES} | {"out", "out/notes", "out/notes/mine.txt"}
    assert all((first[n] != second[n]) == (n.startswith(("out/result", "out/figure", "out/walk"))) for n in first)
    assert results.load(Path("out/result.nc")).attrs["seed"] == 1


@pytest.mark.parametrize("held", sorted(FILES))
@pytest.mark.parametrize("kind", ["file", "link to nowhere"])
def test_what_is_in_a_folder_is_never_overwritten_silently(terminal: Terminal, held: str, kind: str) -> None:
    Path("out").mkdir()
    if kind == "file":
        Path("out", held).write_text("mine")
    else:
        Path("out", held).symlink_to("nowhere")
    terminal.refuses(["--scenes", "walk"], "out = 'out'", held, "--overwrite")
    assert "overwrite" not in terminal.study(*WALK, "--overwrite", "--dry-run").out, "no field of the record"
    is_a_run(terminal.study(*WALK, "--overwrite"), Path("out"))
    assert {p.name for p in Path("out").iterdir()} == FILES


def test_runs_without_a_folder_keep_to_their_own(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simlab.lab.folder.time.gmtime", lambda: time.struct_time((2026, 3, 4, 5, 6, 7, 2, 63, 0)))
    words = ["--preset", "smoke", "--walkers", "1024", "--scenes", "walk"]
    runs = Path("runs/langevin_drift")
    for seed, name in (("0", "20260304T050607Z-0"), ("0", "20260304T050607Z-0-2"), ("7", "20260304T050607Z-7")):
        is_a_run(terminal.study(*words, "--seed", seed), runs / name)
        assert (runs / "latest").readlink() == Path(name)
        assert results.load(runs / "latest" / "result.nc").attrs["seed"] == int(seed)
    terminal.refuses(["--scenes", "walk", "--walkers", "8192", "--walk-dt", "1e-9"], "walk_dt", base=())
    assert len(list(runs.iterdir())) == 4
    (runs / "latest").unlink()
    (runs / "latest/mine").mkdir(parents=True)
    assert terminal.study(*words).status in (0, 1), "no link where there is a folder of that name"
    assert {p.name for p in (runs / "latest").iterdir()} == {"mine"}
    assert not [p for p in runs.iterdir() if p.name.startswith(".")]


def test_runs_that_start_together_do_not_meet(tmp_path: Path) -> None:
    words = [sys.executable, "-m", MODULE, "--preset", "smoke", "--walkers", "1024", "--scenes", "walk"]
    many = [subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for one in many:
        one.communicate(timeout=HANGS)
    assert all(one.returncode in (0, 1) for one in many)
    made = list(tmp_path.glob("runs/langevin_drift/*Z-0*/result.nc"))
    assert len(made) == 2
    assert (tmp_path / "runs/langevin_drift/latest").resolve() in [path.parent for path in made]


def test_a_result_that_came_meanwhile_is_not_overwritten(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: Any, **options: Any) -> Any:
        Path("out/result.nc").write_text("of a run that was faster")
        return run(*arguments, **options)

    run = runner.run
    monkeypatch.setattr(runner, "run", slow)
    answer = terminal.study(*WALK)
    assert answer.status == 2
    assert "claims hold" in answer.out
    said = answer.err.splitlines()[-1]
    assert re.match(
        r"simlab: cannot write out/result.nc \(.*\): it needs [\d,]+ bytes; it is kept in .*, move it\.", said
    )
    kept = re.search(r"kept in (.*), move", said)
    assert kept
    assert results.load(Path(kept[1])).attrs["simlab_study"] == STUDY.name
    assert Path("out/result.nc").read_text() == "of a run that was faster"
    assert not Path("out/cells").exists()


@pytest.mark.parametrize("blocked", sorted(FILES))
def test_all_files_are_written_or_none(terminal: Terminal, blocked: str) -> None:
    Path(f"out/{blocked}/mine").mkdir(parents=True)
    before = contents(terminal.folder)
    for words in ([], ["--overwrite"]):
        answer = terminal.study(*WALK, *words)
        assert answer.status == 2
        assert re.search(r"^simlab: out = .*\bout\b", answer.err.splitlines()[-1])
        assert contents(terminal.folder) == before


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("simlab.core.files.write_atomically", False), ("simlab.sde.Walkers.run", False),
        ("simlab.lab.runner.unless_diverged", True), ("simlab.lab.results.encode", True),
    ],
)  # fmt: skip
def test_an_interruption_anywhere_leaves_nothing_but_finished_cells(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, place: str, kept: bool
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupted)
    answer = terminal.study(*WALK, "--out", "new/deep")
    assert answer.status == 130
    how = "go on with: python -m simlab run langevin_drift --resume new/deep" if kept else "nothing was written."
    assert answer.err.endswith(f"simlab: interrupted; {how}\n")
    files = {name for name, content in contents(terminal.folder).items() if content is not None}
    assert {Path(name).parent.as_posix() for name in files} == ({"new/deep/cells"} if kept else set())
    if not kept:
        assert contents(terminal.folder) == {}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left", "a.toml"), "a.toml: cannot be read or written (No space left)."),
        (MemoryError("Unable to allocate 3.20 GiB"), "there is not enough memory (Unable to allocate 3.20 GiB)."),
        (MemoryError(), "there is not enough memory (of this machine)."),
    ],
)  # fmt: skip
def test_what_the_machine_lacks_is_said_in_one_sentence(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(runner, "run", fail)
    assert terminal.study(*WALK) == Answer(2, "", f"simlab: {said}\n")
    assert contents(terminal.folder) == {}


def test_a_claim_that_does_not_hold_gives_status_1(terminal: Terminal) -> None:
    answer = terminal.study(*QUICK, "--scenes", "valley", "--steepness", "0.01")
    assert answer.status == 1
    assert re.search("^(fails|undecided) .*valley/prefers-flat", answer.out, re.MULTILINE)
    is_a_run(answer, Path("out"), "valley")


def test_a_device_that_is_not_there_gives_status_3(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    answer = terminal.study(*WALK, "--device", "gpu")
    assert (answer.status, answer.out) == (3, "")
    assert re.fullmatch("simlab: .*gpu.*--device cpu.*\n", answer.err)
    assert contents(terminal.folder) == {}


@pytest.mark.parametrize(("n", "d"), [(3, 1), (18, 16)])
def test_the_smallest_data_that_are_taken_can_be_fitted(terminal: Terminal, n: int, d: int) -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, d))
    np.savez("small.npz", X=X, y=(X.sum(1) + rng.normal(size=n)).astype("float32"), other="ignored")
    answer = terminal.study(*QUICK, "--scenes", "posterior", "--data", str(Path("small.npz").resolve()))
    is_a_run(answer, Path("out"), "posterior")
    data = results.load(Path("out/result.nc"))["posterior"]
    assert data.sizes["weight"] == d


@pytest.mark.parametrize("seed", [2**32, 2**53 + 1, 2**63, 2**64 - 1, 10**30])
def test_a_seed_of_any_size_is_kept_or_refused_before_the_run(terminal: Terminal, seed: int) -> None:
    answer = terminal.study(*WALK, "--seed", str(seed))
    if answer.status == 2:
        Terminal.is_refusal(answer, "seed", str(seed))
    else:
        assert int(results.load(Path("out/result.nc")).attrs["seed"]) == seed


def test_counts_in_a_list_are_read_like_one_alone() -> None:
    chosen = studies.load("scale_invariance")
    given = {"phase_steps": ("1e3", "2e3", 4000.0), "dimensions": ["1e1", "2e1"]}
    config: Any = settings.validate(chosen, given)
    assert (config.phase_steps, config.dimensions) == ((1000, 2000, 4000), (10, 20))
    for wrong in ("1.5", "true", "1e15"):
        with pytest.raises(InputError, match=r"^phase_steps \(entry 3\)"):
            settings.validate(chosen, {"phase_steps": ("1e3", "2e3", wrong)})
