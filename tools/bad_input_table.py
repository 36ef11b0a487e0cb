"""Write docs/bad-input.md: the inputs that the tests try, and what is said of each."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# Bad inputs, and what is said of them

Each row is an input that a test tries (`tests/bad_input/`). `snakemake` ends with exit code 1 before it
starts a heavy job. It prints this message, the messages of all other problems, and no traceback.
`tools/bad_input_table.py` writes this file.
"""


def make_table() -> str:
    """The content of the file."""
    from bad_input_rows import KINDS, ROWS

    lines = [HEAD, f"{len(ROWS)} inputs."]
    for kind, rows in KINDS.items():
        if rows:
            lines += ["", f"## {kind}", "", "| input | message |", "|---|---|"]
            lines += [f"| {_cell(row.what)} | {_cell(row.message)} |" for row in rows]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    """Text as it is, for a cell of a Markdown table."""
    for sign in "\\|*_`<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", "<br>")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests/bad_input")]
    (ROOT / "docs/bad-input.md").write_text(make_table(), encoding="utf-8")
