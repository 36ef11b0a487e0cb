"""torch takes seconds to import, so only what needs it may import it."""

import subprocess
import sys
from pathlib import Path

import cutpoint

ROOT = Path(cutpoint.__file__).parent
HEAVY = ("torch", "mmdet", "mmengine", "mmcv")
# stops at the first module after whose import one of them is there
CODE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    if found := set(HEAVY) & set(sys.modules):
        sys.exit(f"{name} imports {', '.join(sorted(found))}")
"""


def list_modules():
    files = [path.relative_to(ROOT.parent).with_suffix("") for path in ROOT.rglob("*.py")]
    return [".".join(path.parts).removesuffix(".__init__") for path in files]


def test_only_the_detector_package_imports_torch():
    modules = [name for name in list_modules() if not name.startswith("cutpoint.detector")]
    assert {"cutpoint.predict.shard", "cutpoint.latency.worker", "cutpoint.demo.scenes"} < set(modules)
    command = [sys.executable, "-c", CODE.replace("HEAVY", repr(HEAVY)), *sorted(modules)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
