"""Run the workflow with its results in a storage, and compare them with a local run's.

The storage is a folder, by Snakemake's plugin ``fs``, which copies with rsync. ``make storage`` calls this.
The plugin is installed into a temporary folder: the workflow does not need it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/faults"), str(ROOT / "tools")]

from clone import copy_clone  # noqa: E402
from compare_results import compare_folders  # noqa: E402
from debian import install  # noqa: E402

PLUGIN = (
    *("snakemake-storage-plugin-fs==1.1.3", "reretry==0.11.8"),
    *("sysrsync==1.1.1", "toml==0.10.2"),
)
LONGEST_S = 1500
# Results files alone: all that reads and writes what others have written, without a network.
CONFIG = """\
device: cpu
models:
  theirs: {classes: CLASSES}
datasets:
  traffic:
    images: data/demo/traffic/images
    annotations: data/demo/traffic/instances.json
    slices: data/demo/traffic/slices.csv
    limit: 12
variants:
  first: {results: first.json}
  strict: {results: strict.json}
evaluations:
  - {model: theirs, dataset: traffic, variants: [first, strict]}
"""


def make_clone(folder: Path) -> Path:
    """A clone with results files: the true boxes, and those of them with high scores."""
    folder.mkdir()
    copy_clone(folder)
    truth = json.loads((folder / "data/demo/traffic/instances.json").read_text())
    names = [category["name"] for category in truth["categories"]]
    boxes = [
        {
            **{key: box[key] for key in ("image_id", "category_id", "bbox")},
            "score": 0.05 + 0.9 * (number % 10) / 10,
        }
        for number, box in enumerate(truth["annotations"])
    ]
    (folder / "first.json").write_text(json.dumps(boxes))
    (folder / "strict.json").write_text(json.dumps([box for box in boxes if box["score"] > 0.5]))
    (folder / "config/config.yaml").write_text(CONFIG.replace("CLASSES", json.dumps(names)))
    return folder


def run_workflow(clone: Path, plugin: Path, *arguments: str) -> str:
    """Run Snakemake in a clone; what it printed.

    Raises:
        RuntimeError: it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": f"{clone / 'src'}:{plugin}"},
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
    if done.returncode:
        raise RuntimeError(f"snakemake {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout + done.stderr


def main() -> int:
    """Both runs and the comparison; exit status."""
    install("storage", [] if shutil.which("rsync") else ["rsync"], ["rsync"])
    with tempfile.TemporaryDirectory(prefix="cutpoint-storage-") as made:
        folder = Path(made)
        plugin, store = folder / "plugin", folder / "store"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(plugin)]
        subprocess.run([*pip, *PLUGIN], check=True)
        local, stored = make_clone(folder / "local"), make_clone(folder / "stored")
        run_workflow(local, plugin)
        options = ("--default-storage-provider", "fs", "--default-storage-prefix", str(store))
        run_workflow(stored, plugin, *options)
        again = run_workflow(stored, plugin, *options)
        lines: list[str] = []
        wrong = []
        if not compare_folders(local / "results", store / "results", lines.append):
            wrong.append("the results differ:\n" + "\n".join(lines))
        if list((stored / "results").rglob("*.json")):
            wrong.append("results lie in the working directory")
        if "Nothing to be done" not in again:
            wrong.append(f"a second run repeats jobs:\n{again[-2000:]}")
        files = sum(path.is_file() for path in (store / "results").rglob("*"))
        said = f"{files} results in a storage, equal to the local run's; a second run repeats nothing"
        print(f"storage: {'FAILED: ' + '; '.join(wrong) if wrong else said}")
        return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
