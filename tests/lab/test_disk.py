"""A disk that is full, a figure that fails, settings of matplotlib's: none of them costs a result."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simlab.core import files
from simlab.core.errors import InputError
from simlab.lab import results
from simlab.lab.claim import Claim
from tests.cli_helpers import FILES, MODULE, WALK, Terminal, contents, process

LIMITED = """
import resource, sys
from simlab.lab import cli
from simlab.studies.langevin_drift import STUDY

run = cli.run
def limited(*arguments):
    result = run(*arguments)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
    return result
cli.run = limited
raise SystemExit(cli.main(STUDY, sys.argv[1:]))
"""
"""A run after which no file may be larger than LIMIT bytes: the system refuses to write on, as on a full disk."""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    folder = tmp_path / "here"
    for name in ("here", "home", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(folder)
    return Terminal(folder, capsys)


def full(patch: pytest.MonkeyPatch, is_full: Callable[[Path], bool]) -> None:
    """Let some folders have no room for a byte."""
    write = files.write_atomically

    def refuse(path: Path, writer: Callable[[str], object]) -> None:
        if is_full(path.absolute()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, writer)

    patch.setattr(files, "write_atomically", refuse)


def test_a_disk_that_fills_up_costs_no_interpreter_and_no_claims(tmp_path: Path) -> None:
    words = [*WALK, "--out", "new/deep"]
    answer = process("-c", LIMITED.replace("LIMIT, LIMIT", "100, 100"), *words, cwd=tmp_path)
    assert answer.status == 2, answer
    assert "claims hold" in answer.out
    said = answer.err.splitlines()[-1]
    assert re.fullmatch(
        r"simlab: cannot write new/deep/result.nc \(File too large\): it needs [\d,]{6,} bytes; "
        r"and nowhere else was room to keep it\.", said
    )  # fmt: skip
    assert "Traceback" not in answer.err
    assert contents(tmp_path) == {}


def test_a_disk_with_room_for_the_result_only_costs_the_figure(tmp_path: Path) -> None:
    result = process("-m", MODULE, *WALK, "--out", "free", cwd=tmp_path)
    assert result.status in (0, 1)
    limit = (tmp_path / "free/result.nc").stat().st_size + 2000
    assert limit < (tmp_path / "free/figure.png").stat().st_size
    answer = process("-c", LIMITED.replace("LIMIT, LIMIT", f"{limit}, {limit}"), *WALK, cwd=tmp_path)
    assert answer.status == result.status
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["result.nc"]
    assert results.claims_of(results.load(tmp_path / "out/result.nc"))
    said = answer.err.splitlines()[-1]
    assert re.match(r"simlab: the figure could not be drawn \(.*File too large.*\)\. The result is whole; ", said)


@pytest.mark.parametrize("room", ["here", "home", "tmp"])
def test_a_result_without_room_is_kept_where_there_is_some(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, room: str
) -> None:
    full(monkeypatch, lambda path: path.parent != tmp_path / room)
    answer = terminal.study(*WALK, "--out", "out/deep")
    assert answer.status == 2
    assert "claims hold" in answer.out
    (kept,) = (tmp_path / room).glob("simlab-result-*.nc")
    said = answer.err.splitlines()[-1]
    size = f"{kept.stat().st_size:,} bytes"
    assert said == f"simlab: cannot write out/deep/result.nc (No space left on device): it needs {size}; it is kept " \
        f"in {kept}, move it."  # fmt: skip
    assert results.load(kept).attrs["simlab_study"] == "langevin_drift"
    assert not Path("out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="small disks are made by Linux")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("home", "disk"):
        (tmp_path / name).mkdir()
    # In a namespace of its own, the mount needs no rights and is gone with the process.
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # where kernels are compiled already
    script = (
        f"mount -t tmpfs -o size=64k tmpfs disk && head -c 60000 /dev/zero > disk/others && cd disk && "
        f"XDG_CACHE_HOME={cache} HOME={home} TMPDIR={tmp_path}/disk {sys.executable} -m {MODULE} {' '.join(WALK)}"
    )
    words = ["unshare", "-rm", "sh", "-c", script]
    try:
        subprocess.run([*words[:2], "mount", "-t", "tmpfs", "tmpfs", str(tmp_path / "disk")], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    (kept,) = home.glob("simlab-result-*.nc")
    assert str(kept) in done.stderr
    assert results.load(kept).attrs["simlab_study"] == "langevin_drift"


def test_a_place_to_keep_things_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot write .*none/x\.nc \(No such file or directory\): it needs 1,000 by"):
        files.write_or_rescue(tmp_path / "none" / "x.nc", bytes(1000))
    assert [p.stat().st_size for p in tmp_path.iterdir()] == [1000]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_that_the_user_wants(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        files.write_bytes(tmp_path / "new", b"1")
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(0o640)
        files.write_bytes(tmp_path / "old", b"2")
    finally:
        os.umask(old)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o640


def test_a_file_and_its_name_are_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda n: flushed.append(str(Path(f"/proc/self/fd/{n}").readlink())))
    files.write_bytes(tmp_path / "x.nc", b"1")
    assert flushed[0].startswith(f"{tmp_path}/.writing-")
    assert flushed[1:] == [str(tmp_path)]


def test_a_long_name_is_a_name(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / ("a" * 252 + ".nc"), b"1")


SETTINGS = {
    "tex": "text.usetex: true\n", "a wild look": "lines.linewidth: 30\nfont.size: 40\nsvg.fonttype: none\n",
    "a screen": "backend: qtagg\n", "a backend that is none": "backend: nonsense\n",
    "bad values": "font.size: blue\nx\n",
}  # fmt: skip


BACKENDS = {
    "of Jupyter": "module://matplotlib_inline.backend_inline", "no backend": "nonsense", "a qt screen": "qtagg"
}  # fmt: skip
DRAW = """
from pathlib import Path
from simlab.lab import plot
with plot.style():
    figure, (axes,) = plot.grid(1, "a title")
    axes.plot([1, 2], [3, 4], label="a line")
    plot.finish(axes)
for kind in ("png", "svg"):
    plot.save_figure(figure, f"figure.{kind}", kind)
"""


def drawn(folder: Path, **variables: str) -> list[bytes]:
    """A figure that a process of its own draws in this folder, with these variables."""
    plain = {n: v for n, v in os.environ.items() if n not in ("MPLBACKEND", "MATPLOTLIBRC")}
    answer = process("-c", DRAW, cwd=folder, env={**plain, **variables})
    assert answer.status == 0, answer.err
    return [(folder / f"figure.{kind}").read_bytes() for kind in ("png", "svg")]


@pytest.fixture(scope="module")
def plain_figure(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return drawn(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("case", [*SETTINGS, *BACKENDS])
def test_settings_of_the_user_s_own_change_no_figure(tmp_path: Path, plain_figure: list[bytes], case: str) -> None:
    if case in SETTINGS:
        (tmp_path / "matplotlibrc").write_text(SETTINGS[case])
    assert drawn(tmp_path, **({"MPLBACKEND": BACKENDS[case]} if case in BACKENDS else {})) == plain_figure


def test_a_style_leaves_the_user_s_settings_as_they_were() -> None:
    import matplotlib as mpl

    from simlab.lab import plot

    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": "mine"}):
        inner = dict(mpl.rcParams)
        with plot.style():
            assert mpl.rcParams["font.size"] == plot.LOOK["font.size"]
        assert dict(mpl.rcParams) == inner
    assert dict(mpl.rcParams) == before


def test_a_backend_of_the_user_s_own_stays(tmp_path: Path) -> None:
    program = """
import os
from simlab.lab import plot
with plot.style():
    pass
import matplotlib as mpl
print(mpl.rcParams["backend"], os.environ["MPLBACKEND"])
mpl.use("svg")
with plot.style():
    pass
print(mpl.rcParams["backend"])
"""
    answer = process("-c", program, cwd=tmp_path, env={**os.environ, "MPLBACKEND": "pdf"})
    assert (answer.out, answer.err) == ("pdf pdf\nsvg\n", "")


def test_settings_that_cannot_be_read_cost_the_figure_only(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"font.size: 3\n# \xff\n")
    answer = process("-m", MODULE, *WALK, cwd=tmp_path)
    assert answer.status in (0, 1)
    assert "claims hold" in answer.out
    assert "Traceback" not in answer.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["result.nc"]
    assert re.match(r"simlab: the figure could not be drawn \(.*utf-8.*\)\. The result", answer.err.splitlines()[-1])


@pytest.mark.parametrize("failure", [RuntimeError("Failed to process\nstring with tex"), MemoryError(), KeyError("q")])
def test_a_figure_that_fails_costs_no_result_and_can_be_drawn_again(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr("simlab.lab.plot.save_figure", fail)
        answer = terminal.study(*WALK)
        assert answer.status in (0, 1)
        assert "claims hold" in answer.out
        said = answer.err.splitlines()[-1]
        again = "The result is whole; python -m simlab figure out/result.nc draws it again."
        assert re.fullmatch(rf"simlab: the figure could not be drawn \(.+\)\. {re.escape(again)}", said)
        assert [p.name for p in Path("out").iterdir()] == ["result.nc"]
        Terminal.is_refusal(terminal.laboratory("figure", "out"), "could not be drawn")
    for path in ("out/result.nc", "out"):
        drawn = terminal.laboratory("figure", path)
        assert (drawn.status, drawn.out) == (0, "wrote out/figure.png\nwrote out/figure.svg\n")
    assert {p.name for p in Path("out").iterdir()} == FILES
    assert terminal.study(*WALK, "--out", "other").status == answer.status
    for name in ("figure.png", "figure.svg"):
        assert Path("out", name).read_bytes() == Path("other", name).read_bytes()


def test_a_figure_of_no_result_is_refused(terminal: Terminal) -> None:
    Terminal.is_refusal(terminal.laboratory("figure", "none"), "there is no file none")
    claims = [Claim.exact("walk/a", "It is.", "", 1.0, 1.0)]
    for study, config in (("langevin_drift", "{}}"), ("langevin_drift", '{"walkers": 0}'), ("no such study", "{}")):
        attributes = {"simlab_study": study, "simlab_config": config, "seed": 0}
        results.save(results.tree({}, claims, attributes), Path("result.nc"))
        Terminal.is_refusal(terminal.laboratory("figure", "result.nc"))
    assert [p.name for p in terminal.folder.iterdir()] == ["result.nc"]


def test_old_figures_do_not_stay_beside_a_new_result(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal.study(*WALK).status in (0, 1)
    monkeypatch.setattr("simlab.lab.plot.grid", lambda *_: (_ for _ in ()).throw(RuntimeError("no ink")))
    assert terminal.study(*WALK, "--seed", "3", "--overwrite").status in (0, 1)
    assert [p.name for p in Path("out").iterdir()] == ["result.nc"]


def test_an_interruption_while_the_figure_is_drawn_says_that_the_result_is_there(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("simlab.lab.plot.save_figure", interrupted)
    answer = terminal.study(*WALK, "--out", "new/deep")
    assert answer.status == 130
    assert answer.err.endswith("simlab: interrupted; the result is whole in new/deep/result.nc.\n")
    assert {name for name, content in contents(terminal.folder).items() if content} == {"new/deep/result.nc"}
