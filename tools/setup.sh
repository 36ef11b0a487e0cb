#!/bin/sh
# Make .venv with the locked requirements and the package, unless it is up to date.
# With the argument `external`: make .venv-external, which has neither torch nor mmdet.
# PYTHON names the interpreter to use; otherwise the newest CPython 3.13, 3.12 or 3.11 that works.
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
external)
    # the list is complete, and has the smaller one of two packages where others ask for the larger
    venv=.venv-external requirements=requirements-external.txt alone=--no-deps
    ;;
*)
    venv=.venv requirements=requirements.txt alone=
    ;;
esac
stamp=$venv/setup.stamp
wanted=$(cat "$requirements" pyproject.toml tools/setup.sh | cksum)
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] \
    && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# A name on the search path may be a shim without an interpreter behind it: run each one.
works() {
    "$1" -c 'import sys
sys.exit(sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
        2>/dev/null
}

has_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
else
    set -- python3.13 python3.12 python3.11 python3
fi
found=
without_venv=
for candidate in "$@"; do
    if works "$candidate"; then
        if has_venv "$candidate"; then
            found=$candidate
            break
        fi
        without_venv="$without_venv $candidate"
    fi
done

if [ -z "$found" ]; then
    if [ -n "$without_venv" ]; then
        fail "found$without_venv, but without the modules venv and ensurepip;" \
            "install them (Debian and Ubuntu: apt-get install python3-venv) or set PYTHON"
    fi
    fail "no CPython 3.11, 3.12 or 3.13 among: $*;" \
        "install one, or name it: make PYTHON=/path/to/python3.12 ..."
fi

echo "setup: making $venv with $("$found" --version) ($found)"
rm -rf "$venv"
"$found" -m venv "$venv"
python=$venv/bin/python
# connection_pool comes as source only: it is built with the locked setuptools, no compiler involved
"$python" -m pip install --quiet "$(grep '^setuptools==' "$requirements")"
"$python" -m pip install --no-build-isolation $alone -r "$requirements"
"$python" -m pip install --no-build-isolation --no-deps -e .

# opencv-python needs the system's libGL, which a bare server lacks; other packages ask for it by name.
if ! error=$("$python" -c 'import cv2' 2>&1); then
    case "$error" in
    *"cannot open shared object file"*)
        version=$("$python" -c 'from importlib.metadata import version; print(version("opencv-python"))')
        echo "setup: opencv-python does not load here; taking opencv-python-headless $version instead"
        "$python" -m pip uninstall --quiet --yes opencv-python
        "$python" -m pip install --no-deps "opencv-python-headless==$version"
        "$python" -c 'import cv2'
        ;;
    *)
        fail "import cv2 fails: $error"
        ;;
    esac
fi

printf '%s\n' "$wanted" >"$stamp"
echo "setup: done"
