"""Bad input ends in one sentence that names field, value and what is allowed; status 2, and nothing is left behind."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_origin

import numpy as np
import pytest

from simlab.studies.langevin_drift.config import Config
from tests.cli_helpers import Terminal

FLOATS_AND_COUNTS = [n for n, f in Config.model_fields.items() if f.annotation in (int, float)]
LISTS = [n for n, f in Config.model_fields.items() if get_origin(f.annotation) is tuple and n != "scenes"]
NUMBERS = [(name, value) for name in FLOATS_AND_COUNTS + LISTS
           for value in ("0", "-1", "-1e-3", "nan", "inf", "-inf", "1e400", "ten", "", "0x10")
           if (name, value) != ("seed", "0")]  # fmt: skip


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path, capsys)


@pytest.mark.parametrize(("name", "value"), NUMBERS)
def test_a_number_out_of_range_is_refused_by_name_and_value(terminal: Terminal, name: str, value: str) -> None:
    flag = "--" + name.replace("_", "-")
    many = name in LISTS
    words = [flag, "0.1", "0.2", value, "0.15"] if many else [flag, value]
    terminal.refuses(words, f"{name} (entry 3) =" if many else f"{name} =", value or "''", "must be")


@pytest.mark.parametrize(
    ("flag", "value", "allowed"),
    [
        ("walkers", "1.5", "integer"), ("walkers", "1023", "1024"), ("walkers", "4194305", "4194304"),
        ("modulation", "1", "or equal to 0.95"), ("steepness", "1", "or equal to 0.99"), ("step", "2", "less than 2"),
        ("harmonic-dts", "2", "or equal to 1.99"), ("device", "tpu", "'cpu' or 'gpu'"), ("dts", "0.1", "at least 4"),
        ("escape-dts", "0.1", "at least 2"), ("kicks", "0.1", "at least 2"),
    ],
)  # fmt: skip
def test_what_is_allowed_is_said(terminal: Terminal, flag: str, value: str, allowed: str) -> None:
    terminal.refuses([f"--{flag}", value], flag.replace("-", "_"), value, allowed)


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        ("--walker 5000", ["--walker,", "did you mean --walkers?"]), ("--pre smoke", ["did you mean --preset?"]),
        ("--temp 1", ["--temp,", "did you mean --temperature?"]), ("--dry", ["did you mean --dry-run?"]),
        ("--temprature 1", ["--temprature", "did you mean --temperature?"]), ("--zzz", ["--zzz", "--potential"]),
        ("-x", ["-x", "--potential"]), ("stray", ["'stray'"]), ("--walkers 2000 3000", ["'3000'"]),
        ("--preset smok", ["preset", "'smok'", "smoke"]), ("--preset", ["--preset", "one argument"]),
        ("--scenes wlak", ["scenes", "wlak", "walk"]), ("--scenes walk,well", ["scenes", "walk,well", "valley"]),
        ("--scenes walk wlak vale", ["scenes", "wlak", "vale", "valley"]), ("--scenes", ["--scenes", "argument"]),
        ("--scenes=", ["scenes", "''", "walk"]), ("--config none.toml", ["config", "none.toml"]),
        ("--config .", ["config", " . "]), ("--dry-run=1", ["--dry-run", "'1'"]), ("--device GPU", ["'GPU'", "'gpu'"]),
    ],
)  # fmt: skip
def test_a_word_that_is_not_understood_is_named(terminal: Terminal, words: str, fragments: list[str]) -> None:
    terminal.refuses(words.split(" "), *fragments)


TOML: dict[str, tuple[str | bytes, list[str]]] = {
    "a typo": ("walkrs = 5000", ["'walkrs'", "did you mean walkers?"]),
    "a dash": ("walk-dt = 0.1", ["'walk-dt'", "did you mean walk_dt?"]),
    "an unknown field": ("colour = 1", ["'colour'", "potential"]),
    "a flag that is no field": ("preset = 'smoke'", ["'preset'", "potential"]),
    "a word for a count": ("walkers = 'many'", ["walkers", "'many'", "integer"]),
    "half a walker": ("walkers = 5000.5", ["walkers", "5000.5", "integer"]),
    "infinite walkers": ("walkers = inf", ["walkers", "inf", "finite"]),
    "a number too large": ("temperature = 1e400", ["temperature", "inf", "finite"]),
    "nan": ("temperature = nan", ["temperature", "nan", "finite"]),
    "true for a number": ("temperature = true", ["temperature", "rue", "number"]),
    "true for a count": ("seed = true", ["seed", "rue", "integer"]),
    "true in a list": ("dts = [0.1, true, 0.2, 0.3]", ["dts (entry 2)", "rue", "number"]),
    "a list for a number": ("temperature = [1]", ["temperature", "[1]", "number"]),
    "a number for a list": ("dts = 0.1", ["dts", "0.1"]),
    "a word for a list": ("scenes = 'walk'", ["scenes", "'walk'"]),
    "a list in a list": ("dts = [0.1, 0.2, 0.3, [0.4]]", ["dts (entry 4)", "[0.4]", "number"]),
    "an empty list": ("dts = []", ["dts", "[]", "at least 4"]),
    "a table": ("[walkers]\na = 1", ["walkers", "integer"]),
    "a scene's table": ("[well]\ndt = 0.1", ["'well'"]),
    "a date": ("dt = 1979-05-27", ["dt", "1979", "number"]),
    "a number for a formula": ("potential = 3", ["potential", "3", "string"]),
    "a number for a file": ("data = 5", ["data", "5", "path"]),
    "a number for a folder": ("out = 5", ["out", "5", "path"]),
    "an unknown scene": ("scenes = ['wlak']", ["scenes", "wlak", "walk"]),
    "an unknown device": ("device = 'tpu'", ["device", "'tpu'", "'gpu'"]),
    "a field of nothing": ("walkers = ", ["c.toml", "TOML"]),
    "no TOML": ("walkers: 5000", ["c.toml", "TOML"]),
    "a field given twice": ("seed = 1\nseed = 2", ["c.toml", "TOML"]),
    "a zero byte": (b"\x00", ["c.toml", "TOML"]),
    "binary garbage": (bytes(range(256)), ["c.toml"]),
    "no UTF-8": (b"potential = '\xff'", ["c.toml", "UTF-8"]),
    "lists in lists": ("dts = " + 3000 * "[" + 3000 * "]", ["c.toml", "8 lists"]),
    "tables in tables": ("a = " + 3000 * "{a=" + "1" + 3000 * "}", ["c.toml", "8 lists"]),
    "not so deep": ("dts = " + 200 * "[" + 200 * "]", ["c.toml", "8 lists"]),
    "just too deep": ("dts = " + 9 * "[" + 9 * "]", ["c.toml", "8 lists"]),
    "a table of tables": ("[" + ".".join(400 * "a") + "]", ["c.toml", "8 lists"]),
    "a name of names": (".".join(9000 * "a") + " = 1", ["c.toml", "8 lists"]),
    "lists at the limit": ("dts = " + 8 * "[" + 8 * "]", ["dts"]),
    "a long file": ("#" * 30_000, ["c.toml", "20,000 bytes"]),
    "a huge file": ("#" * 50_000_000, ["c.toml", "20,000 bytes"]),
    "thousands of digits": ("seed = 0x" + 9000 * "f", ["seed", "digits", "9223372036854775808"]),
    "thousands of digits for a list": ("dts = [0.1, 0x" + 9000 * "f" + ", 1, 1]", ["dts (entry 2)", "digits"]),
    "thousands of decimal digits": ("seed = " + 9000 * "9", ["c.toml", "thousands of digits; write a shorter"]),
    "a long word": ("device = '" + 9000 * "x" + "'", ["device", "xxx..."]),
}  # fmt: skip
PLAIN = ("--preset", "smoke")


def toml(text: str | bytes) -> list[str]:
    """The flags that read this text."""
    Path("c.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return ["--config", "c.toml"]


@pytest.mark.parametrize("case", TOML)
def test_a_toml_file_is_refused_in_the_words_of_the_flags(terminal: Terminal, case: str) -> None:
    text, fragments = TOML[case]
    terminal.refuses(toml(text), *fragments, base=PLAIN)


def test_every_mistake_of_a_file_is_told_in_a_line_of_its_own(terminal: Terminal) -> None:
    words = toml("walkers = 0\ndt = -1\nfoo = 1\nlr = 'a'\nscenes = ['wlak']\ndts = [0.1, 0, 0.2, -3]")
    told = ["walkers = 0", "dt = -1", "'foo'", "lr = 'a'", "wlak", "dts (entry 2) = 0", "dts (entry 4) = -3"]
    terminal.refuses(words, *told, base=PLAIN, lines=len(told))


def test_of_many_mistakes_the_first_are_told(terminal: Terminal) -> None:
    said = terminal.refuses(toml("dts = [" + "-1," * 3000 + "]"), "dts (entry 1)", base=PLAIN, lines=21)
    assert said.endswith("simlab: there are 2980 more mistakes.\n")


@pytest.mark.parametrize(
    "name", ["pipe", "/dev/zero", "/dev/null", "/dev/stdin", ".", "", "/proc/self/mem", "loop", "a" * 300]
)
def test_a_configuration_is_a_file(terminal: Terminal, name: str) -> None:
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    answer = terminal.study(*PLAIN, "--config", name, work=20)
    Terminal.is_refusal(answer, "config", name)


@pytest.mark.parametrize("flag", ["--data", "--out", "--potential", "--scenes", "--dts"])
def test_what_is_no_text_is_refused(terminal: Terminal, flag: str) -> None:
    terminal.refuses([flag, "a\udcff"], flag.strip("-"), "UTF-8")


@pytest.mark.parametrize(
    "words",
    [
        ["dts = 0.1"], ["data = 5"], ["dt = 1979-05-27"], ["out = 5"], [b"potential = '\xff'"],
        ["--config", "."], ["--data", "."], ["--data", "nothing.npz"],
    ],
)  # fmt: skip
def test_a_sentence_is_not_in_python(terminal: Terminal, words: list[str | bytes]) -> None:
    Path("nothing.npz").touch()
    argv = toml(words[0]) if len(words) == 1 else [str(w) for w in words]
    said = terminal.refuses(argv, base=PLAIN if len(words) == 1 else ("--out", "out"))
    assert not re.search(r"<class|pathlib|datetime|tuple|Errno|codec|[A-Z]\w*Error", said), said


ARRAYS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], dict[str, Any]], list[str]]] = {
    "no X": (lambda X, y: {"y": y}, ["has no X"]), "no y": (lambda X, y: {"X": X}, ["has no y"]),
    "neither": (lambda X, y: {}, ["X and y"]), "X a line": (lambda X, y: {"X": y, "y": y}, ["(20,)", "(n, d)"]),
    "y a table": (lambda X, y: {"X": X, "y": X}, ["(20, 3)", "(n)"]),
    "numbers": (lambda X, y: {"X": 1.0, "y": 2.0}, ["()", "(n, d)"]),
    "lengths differ": (lambda X, y: {"X": X, "y": y[1:]}, ["(20, 3)", "(19,)", "same n"]),
    "words": (lambda X, y: {"X": np.full(X.shape, "a"), "y": y}, ["numbers"]),
    "objects": (lambda X, y: {"X": X.astype(object), "y": y}, ["plain arrays"]),
    "complex numbers": (lambda X, y: {"X": X + 1j, "y": y}, ["numbers", "complex"]),
    "dates": (lambda X, y: {"X": (1e6 * X).astype("datetime64[s]"), "y": y}, ["numbers", "datetime"]),
    "NaN in X": (lambda X, y: {"X": np.r_[[[1, 2, np.nan]], X[1:]], "y": y}, ["1 ", "NaN"]),
    "NaN in y": (lambda X, y: {"X": X, "y": np.r_[np.nan, y[1:]]}, ["1 ", "NaN"]),
    "infinity": (lambda X, y: {"X": np.r_[[[1, 2, -np.inf]], X[1:]], "y": y}, ["1 ", "infinite"]),
    "a constant column": (lambda X, y: {"X": X * [1, 0, 1], "y": y}, ["constant"]),
    "a constant y": (lambda X, y: {"X": X, "y": 0 * y}, ["constant"]),
    "too few rows": (lambda X, y: {"X": X[:4], "y": y[:4]}, ["n = 4", "d = 3", "d + 2"]),
    "17 columns": (lambda X, y: {"X": np.tile(X, 6)[:, :17], "y": y}, ["d = 17", "16"]),
    "no columns": (lambda X, y: {"X": X[:, :0], "y": y}, ["d = 0"]),
    "no rows": (lambda X, y: {"X": X[:0], "y": y[:0]}, ["n = 0"]),
    "no noise to infer": (lambda X, y: {"X": X, "y": X.sum(1)}, []),
    "numbers below all": (lambda X, y: {"X": X * [1, 1e-320, 1], "y": y}, []),
}  # fmt: skip


def zipped(**entries: str) -> bytes:
    """A zip file with entries that are no arrays."""
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def npz(make: Callable[[np.ndarray, np.ndarray], dict[str, Any]] = lambda X, y: {"X": X, "y": y}) -> bytes:
    """An .npz file of 20 x 3 numbers, made good or bad."""
    rng, file = np.random.default_rng(0), io.BytesIO()
    X = rng.normal(size=(20, 3))
    np.savez(file, **make(X, X.sum(1) + rng.normal(size=20)))
    return file.getvalue()


GARBAGE = {
    "text": b"1 2 3\n", "nothing": b"", "truncated": npz()[: len(npz()) // 2], "a byte is wrong": npz().replace(
        npz()[200:204], b"\xff\x00\xff\x00"), "a zip of others": zipped(a="1"), "no arrays": zipped(X="1", y="2"),
    "broken arrays": zipped(**{"X.npy": "\x93NUMPY", "y.npy": "2"}),
}  # fmt: skip


def posterior(content: bytes | None) -> list[str]:
    """The flags that fit a file of this content, under a full path that no other test has."""
    path = Path("d.npz").resolve()
    if content is not None:
        path.write_bytes(content)
    return ["--scenes", "posterior", "--data", str(path)]


@pytest.mark.parametrize("case", ARRAYS)
def test_data_that_cannot_be_fitted_are_refused(terminal: Terminal, case: str) -> None:
    make, fragments = ARRAYS[case]
    terminal.refuses(posterior(npz(make)), "data", "d.npz", *fragments)


@pytest.mark.parametrize("case", [*GARBAGE, "missing", "a folder"])
def test_a_file_that_is_no_data_is_refused(terminal: Terminal, case: str) -> None:
    if case == "a folder":
        Path("d.npz").mkdir()
    terminal.refuses(posterior(GARBAGE.get(case)), "data", "d.npz")


def test_data_that_changed_are_read_anew(terminal: Terminal) -> None:
    assert terminal.study("--preset", "smoke", "--walkers", "1024", *posterior(npz())).status in (0, 1)
    terminal.refuses(posterior(npz(ARRAYS["NaN in X"][0])), "data", "NaN")


CONFINE, FINITE, WELL = "does not confine", "finite", ("--scenes", "well")
POTENTIALS: dict[str, tuple[str, list[str]]] = {
    "a hill": ("-x**4", [CONFINE]), "a slope": ("x", [CONFINE]), "a saddle": ("x**3", [CONFINE]),
    "a constant": ("3", [CONFINE]), "waves": ("cos(x)", [CONFINE]), "other waves": ("-cos(x)", [CONFINE]),
    "a pit": ("Min(x**2, 1)", [CONFINE]), "half a well": ("exp(-x)", [CONFINE]), "a logarithm": ("log(1 + x**2)", []),
    "a pole": ("1/x", [FINITE]), "a pole in a well": ("x**4 + 1/x", [FINITE]), "a half line": ("log(x)", [FINITE]),
    "a root": ("sqrt(x)", [FINITE]), "a step": ("floor(x) + x**2", ["jumps"]), "a kick": ("sign(x) + x**2", ["jumps"]),
    "a caret": ("x^2", ["write **"]), "nothing": ("", ["x**4/4"]), "a blank": (" ", ["x**4/4"]),
    "half a formula": ("x**2 +", ["x**4/4"]), "two lines": ("x**2\n+ 1", ["x**4/4"]), "equation": ("U = x", ["x**4/4"]),
    "another letter": ("y**2", ["'y'", "allowed"]), "Cyrillic": ("\u0445**2", ["unknown"]), "a square": ("x²", []),
    "an import": ("__import__('os')", ["'__import__'"]), "an attribute": ("x.__class__", ["attribute"]),
    "a lambda": ("lambda: 1", ["lambda"]), "a condition": ("x > 0", ["condition"]), "huge": ("1e400", ["1e30"]),
    "a tower": ("9**9**9**9", ["exponent"]), "imaginary": ("sqrt(-1) + x**2", ["real"]), "text": ("'x'", ["real"]),
    "an endless floor": ("floor(exp(exp(20)))*x**2", ["out of range"]), "towers": ("Min(x, exp(exp(9)))", ["1e30"]),
    "a complex power": ("(-1)**x", ["complex"]), "another complex power": ("x**x", [FINITE]),
    "a pole beside": ("x**2 + 1/(x - 0.3)", [FINITE]), "two levels": ("x**2 if x > 0 else x**2 + 5", ["jumps"]),
    "a saw": ("x**2/2 + atan(tan(x))", ["jumps"]), "a bounded angle": ("asin(x)", [FINITE]),
}  # fmt: skip


@pytest.mark.parametrize("case", POTENTIALS)
def test_a_potential_that_will_not_do_is_refused(terminal: Terminal, case: str) -> None:
    text, fragments = POTENTIALS[case]
    terminal.refuses([*WELL, f"--potential={text}"], "potential", repr(text), *fragments)


@pytest.mark.parametrize("text", ["x" * 2000, "(" * 900 + "x" + ")" * 90, "-" * 500 + "x", "+".join(["x**2"] * 150)])
def test_a_formula_without_measure_is_refused_in_few_words(terminal: Terminal, text: str) -> None:
    assert len(terminal.refuses([*WELL, f"--potential={text}"], "potential")) < 300


def test_a_value_may_begin_with_a_dash(terminal: Terminal) -> None:
    terminal.refuses([*WELL, "--potential", "-x**4"], CONFINE)
    terminal.refuses([*WELL, "--temperature", "-0.5"], "temperature", "-0.5")


HOPELESS = [
    ("well", "dt", "10"), ("well", "dt", "1e-9"), ("well", "dt", "1e-300"), ("well", "dts", "0.04 0.05 0.1 20"),
    ("well", "dts", "1e-9 0.04 0.05 0.06"), ("well", "escape_dts", "1e-9 0.01"), ("well", "temperature", "0.01"),
    ("well", "temperature", "1e-9"), ("well", "temperature", "1e-300"), ("well", "barrier", "30"),
    ("well", "barrier", "1e300"), ("well", "duration", "1e300"), ("well", "harmonic_dts", "1e-12"),
    ("well", "harmonic_dts", "1e-300"), ("well", "harmonic_dts", "1.9999999999999998"), ("walk", "walk_dt", "1e-9"),
    ("walk", "walk_dt", "1e300"), ("walk", "modulation", "0.9999999"), ("valley", "lr", "1.2"),
    ("valley", "lr", "1e-12"), ("valley", "steepness", "0.9999999999"), ("valley", "kicks", "1e-9 0.1"),
    ("valley", "kicks", "1e-300 0.1"), ("valley", "kicks", "1e300 0.1"), ("valley", "exponent", "1e9"),
    ("posterior", "step", "1e-9"), ("posterior", "step", "1e-300"),
]  # fmt: skip


@pytest.mark.parametrize(("scene", "field", "values"), HOPELESS, ids=[f"{f}={v}" for _, f, v in HOPELESS])
def test_what_cannot_end_well_is_refused_before_it_begins(
    terminal: Terminal, scene: str, field: str, values: str
) -> None:
    said = terminal.refuses(["--scenes", scene, f"--{field}", *values.split()], field)
    assert any(f"{float(v):g}" in said or v in said for v in values.split()), said
    assert not re.search(r"\d{20}", said), "nobody reads a number of that length"


@pytest.mark.parametrize(("scene", "field"), [("well", "dts"), ("well", "escape_dts"), ("valley", "kicks")])
def test_a_limit_is_not_taken_from_one_step_given_twice(terminal: Terminal, scene: str, field: str) -> None:
    terminal.refuses(["--scenes", scene, f"--{field}", "0.04", "0.04", "0.04", "0.04"], field, "0.04")


@pytest.mark.parametrize(
    ("scene", "flag", "value"),
    [
        ("well", "barrier", "1e-9"), ("walk", "modulation", "1e-3"), ("walk", "modulation", "1e-300"),
        ("valley", "exponent", "200"), ("valley", "exponent", "1e-300"), ("valley", "kicks", "1e8 0.1"),
        ("valley", "steepness", "1e-300"), ("posterior", "prior", "1e-300"), ("posterior", "prior", "1e300"),
    ],
)  # fmt: skip
def test_an_extreme_is_measured_or_refused(terminal: Terminal, scene: str, flag: str, value: str) -> None:
    words = ["--preset", "smoke", "--walkers", "1024", "--scenes", scene, f"--{flag}", *value.split()]
    answer = terminal.study(*words)  # a warning, too, would end the test
    if answer.status == 2:
        terminal.is_refusal(answer, flag)


@pytest.mark.parametrize("out", ["file", "file/under", "/proc/nope", "/proc", "/dev/null", "a" * 300, "ring"])
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(terminal: Terminal, out: str) -> None:
    Path("file").write_text("mine")
    Path("ring").symlink_to("ring")
    terminal.refuses(["--scenes", "walk", "--out", out], "out", out)


def test_a_folder_with_a_zero_byte_is_refused(terminal: Terminal) -> None:
    terminal.refuses(toml('scenes = ["walk"]\nout = "a\\u0000b"'), "out", base=PLAIN)


@pytest.mark.parametrize("words", [[], ["--out", "deep/new/path"]], ids=["default", "deep"])
def test_no_folder_is_left_where_none_was(terminal: Terminal, words: list[str]) -> None:
    terminal.refuses([*WELL, "--potential=x^2", *words], "potential", base=PLAIN)
