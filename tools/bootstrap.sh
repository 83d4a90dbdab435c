#!/bin/sh
# Makes .venv (or the one named by --venv) with everything that `make` needs; instant when nothing changed since the last time.
# This half needs nothing but a shell: it finds a Python, or says in one line which command brings one. The other half is bootstrap.py.
set -u
cd "$(dirname "$0")/.." || exit 1

run_as_root=""
[ "$(id -u)" = 0 ] || run_as_root="sudo "

advise() {  # what is missing, then the packages that bring it
    if command -v apt-get >/dev/null 2>&1; then
        echo "herdbook: $1: ${run_as_root}apt-get install $2" >&2
    else
        echo "herdbook: $1: install Python 3.11 or newer with its venv module (https://www.python.org/downloads/)" >&2
    fi
    exit 2
}

if [ -z "${PYTHON:-}" ] && .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exec .venv/bin/python tools/bootstrap.py "$@"
fi

without_venv=""
for python in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        exec "$python" tools/bootstrap.py "$@"
    fi
    without_venv=${without_venv:-$python}
done

[ -z "$without_venv" ] || advise "$without_venv has no venv module" "$(basename "$without_venv")-venv"
[ -z "${PYTHON:-}" ] || { echo "herdbook: PYTHON=$PYTHON is not Python 3.11 or newer" >&2; exit 2; }
if ! command -v apt-cache >/dev/null 2>&1; then advise "no Python 3.11 or newer found" "python3 python3-venv"; fi
for version in 3.13 3.12 3.11; do
    if apt-cache show "python$version-venv" >/dev/null 2>&1; then
        advise "no Python 3.11 or newer found" "python$version python$version-venv"
    fi
done
advise "no Python 3.11 or newer found" "python3 python3-venv"
