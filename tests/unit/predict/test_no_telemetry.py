"""ONNX Runtime tells nobody that it is used."""

import os
import subprocess
import sys

from layout_files import save

RUN = """
import sys
import time
from cutpoint.predict.runtime import check_loads
check_loads(sys.argv[1], "a.onnx")
time.sleep(1)  # it writes from a thread of its own
"""


def test_a_session_leaves_nothing_in_the_home_folder(tmp_path):
    """Its list of what it will send lies in the cache folder, before it has reached anybody."""
    home = tmp_path / "home"
    home.mkdir()
    image = ("x", "float32", [1, 3])
    model = save(tmp_path / "a.onnx", [("Relu", ["x"], ["y"])], [image], [("y", "float32", [1, 3])])
    known = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    # it stays silent by itself where it sees that tests run
    known = {key: value for key, value in known.items() if key not in ("CI", "TF_BUILD", "GITHUB_ACTIONS")}
    environment = known | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    subprocess.run([sys.executable, "-c", RUN, model], env=environment, check=True)
    assert [str(path.relative_to(home)) for path in home.rglob("*")] == []
