"""Programs of Debian's packages, for runs that need them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence


def install(run: str, missing: Sequence[str], packages: Sequence[str]) -> None:
    """Install the packages if programs are missing and this may be done; otherwise end with what to install.

    Args:
        run: begins the message.
        missing: programs that are not here; nothing is done if there is none.
        packages: have them.
    """
    if not missing:
        return
    if os.geteuid() or shutil.which("apt-get") is None:
        sys.exit(f"{run}: missing: {', '.join(missing)}; install Debian's {' and '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *command], env=quiet, check=True, stdout=subprocess.DEVNULL)
