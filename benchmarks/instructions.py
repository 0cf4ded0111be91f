"""The speed limit of the CUDA kernel on a card that is not at hand: instructions of its inner loop, counted.

    python benchmarks/instructions.py [--arch sm_90] [--out FILE]

Compiles the double well with nvcc, disassembles it with nvdisasm (both on PATH, or `pip install nvidia-cuda-nvcc
nvidia-cuda-nvdisasm`), and counts the loop that takes two steps of two walkers. Each of the four schedulers of a
multiprocessor issues one instruction for 32 lanes a cycle; no kernel with this loop can be faster than that.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import sympy as sp

from simlab.sde import kernel, langevin

WALKER_STEPS = 4
"""Of one turn of the loop: two walkers, two steps."""
CARDS = {"H100 SXM, H200": (132, 1.98e9)}
"""name -> (multiprocessors, boost clock in Hz), of compute capability 9.0."""
ADDRESS = re.compile(r"^\s*/\*([0-9a-f]+)\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")


def inner_loop(text: str, arch: str) -> list[str]:
    """Operation codes of the longest loop without a branch inside."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder) / "kernel.cu", Path(folder) / "kernel.cubin"
        source.write_text(text, encoding="utf-8")
        subprocess.run(["nvcc", "-std=c++17", f"-arch={arch}", "-cubin", "-o", binary, source], check=True)
        listing = subprocess.run(
            ["nvdisasm", "-c", binary], check=True, capture_output=True, text=True
        ).stdout.splitlines()
    labels = {line.strip(" :"): i for i, line in enumerate(listing) if re.match(r"^\s*\.L_x_\d+:", line)}
    loops = []
    for i, line in enumerate(listing):
        target = re.search(r"BRA `\((\.L_x_\d+)\)", line)
        if target and labels.get(target[1], i) < i:
            body = [m[2] for row in listing[labels[target[1]] : i + 1] if (m := ADDRESS.match(row))]
            if not any(code.startswith(("BRA", "CALL")) for code in body[:-1]):
                loops.append(body)
    return max(loops, key=len, default=[])


def main(argv: Sequence[str] | None = None) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    x = sp.Symbol("x", real=True)
    body = inner_loop(kernel(langevin(x**4 / 4 - x**2 / 2, x, 0.5), dtype="float32", target="gpu").source, options.arch)
    each = len(body) / WALKER_STEPS
    compiler = subprocess.run(["nvcc", "--version"], check=True, capture_output=True, text=True).stdout
    release = "".join(re.findall(r"release ([\d.]+)", compiler))
    spills = sum(code.startswith(("LDL", "STL")) for code in body)
    lines = [
        f"# Instructions of the double well, float32, {options.arch}",
        "",
        f"nvcc {release}: {len(body)} instructions for {WALKER_STEPS} walker-steps, **{each:g} a walker-step**; "
        f"{spills} of them spill registers; there is no branch inside the loop.",
        "",
        "| card | walker-steps a second at most (instruction issue) | half of it, the goal |",
        "|---|---|---|",
    ]
    for card, (processors, clock) in CARDS.items():
        bound = processors * 4 * 32 * clock / each
        lines.append(f"| {card} ({processors} x 4 schedulers, {clock / 1e9:.2f} GHz) | {bound:.2g} | {bound / 2:.2g} |")
    lines += ["", "| operation | count |", "|---|---|"]
    lines += [f"| {code} | {count} |" for code, count in Counter(c.split(".")[0] for c in body).most_common()]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
