"""Write environment.yml, the environment of ``conda env create``, from requirements.txt."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# conda env create -f environment.yml && conda activate cutpoint && pip install --no-deps -e .
# Written by `make environment` from requirements.txt: change that, not this.
name: cutpoint
channels:
  - conda-forge
dependencies:
  - python >=3.11,<3.14
  - pip
  - pip:
"""


def environment() -> str:
    """The file's text: Python and pip from conda-forge, all else as locked."""
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    return HEAD + "".join(f"      - {requirement}\n" for requirement in locked)


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(environment(), encoding="utf-8")
