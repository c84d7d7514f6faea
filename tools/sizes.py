"""Fails on a Python file that is longer than one idea: over 400 lines in src, tests, tools or bench."""

import sys
from pathlib import Path

LIMIT = 400

if __name__ == "__main__":
    files = (path for folder in ("src", "tests", "tools", "bench") for path in Path(folder).rglob("*.py"))
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    long = {path: length for path, length in lengths.items() if length > LIMIT}
    for path, length in sorted(long.items()):
        print(f"{path}: {length} lines, at most {LIMIT}. Split it by idea.")
    sys.exit(bool(long))
