"""`python -m simlab.theory` writes theory/*.md; `--check` says which pages are stale and exits 1."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from simlab.theory import document

FOLDER = Path(__file__).resolve().parent.parent.parent / "theory"


def main(argv: list[str] | None = None) -> int:
    """Write or check every page."""
    parser = argparse.ArgumentParser(prog="python -m simlab.theory", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the pages that are stale")
    options = parser.parse_args(argv)
    if not FOLDER.parent.joinpath("pyproject.toml").exists():
        print("simlab: derivations are written into a checkout of simlab; clone it and run there.", file=sys.stderr)
        return 2
    stale = []
    for name in document.names():
        path, text = FOLDER / f"{name}.md", document.render(name)
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(path.name)
            if not options.check:
                FOLDER.mkdir(exist_ok=True)
                temporary = path.with_suffix(".tmp")
                temporary.write_text(text, encoding="utf-8")
                temporary.replace(path)
                print(f"wrote {path}")
    if options.check and stale:
        print(f"stale: {', '.join(stale)}; run `python -m simlab.theory`.")
    return int(bool(options.check and stale))


if __name__ == "__main__":
    raise SystemExit(main())
