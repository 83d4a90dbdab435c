"""Runs every benchmark, or the ones that are named: python benchmarks/_all.py [NAME ...] [--quick]"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    known = sorted(path.stem for path in HERE.glob("[!_]*.py"))
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"herdbook: no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or known:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py"), *flags]).returncode:
            failed.append(name)
    if failed:
        print(f"herdbook: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
