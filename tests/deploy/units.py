"""The systemd units: verified, their exposure told, and what each half is started with."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from files import NEEDS, Process, Tree, plain_secret_fault
from report import Report

PROGRAM = "/usr/local/bin/grantsync"
# what `systemd-analyze security` may say at the most; it says 1.1
EXPOSURE = 1.2
TEMPLATE = "grantsync@.service"
UNITS = ["grantsync.service", "grantsync@ingest.service", "grantsync@work.service"]


def check(tree: Tree, report: Report, binary: Path | None) -> list[Process]:
    with report.rule("systemd: no unit carries a secret, or may become more than it is") as faults:
        for name in ("grantsync.service", TEMPLATE):
            unit = settings(tree.text(name))
            for pair in unit.get("Environment", []):
                faults += plain_secret_fault(name, *pair.split("=", 1)) if "sqlite:" not in pair else []
            bound = {
                "DynamicUser": "yes",
                "NoNewPrivileges": "yes",
                "CapabilityBoundingSet": "",
                "ProtectSystem": "strict",
            }
            faults += [f"{name}: {key} is {unit.get(key)}" for key, value in bound.items() if unit.get(key) != [value]]
            if seconds(unit["TimeoutStopSec"][0]) <= 10:
                faults.append(f"{name}: what is under way is not given its ten seconds")
    analyze(tree, report, binary)
    with report.rule("systemd: an instance for each half, each with its own directory of credentials") as faults:
        unit = settings(tree.text(TEMPLATE))
        if unit["LoadCredential"] != ["grantsync:/etc/grantsync/credentials/%i"]:
            faults.append(f"LoadCredential is {unit['LoadCredential']}")
        # the directory of one half, as the unit says how to make it
        for half in ("ingest", "work"):
            told = re.search(rf"^#   #   {half}: +(.+)$", tree.text(TEMPLATE), re.MULTILINE)[1].split()
            if set(told) != NEEDS[half] - {"admin_token"}:
                faults.append(f"it says that {half} needs {told}")
    report.not_checked(
        "that the units start, with their filters and credentials", "that takes a machine run by systemd"
    )
    return [whole(tree), instance(tree, "ingest"), instance(tree, "work")]


def analyze(tree: Tree, report: Report, binary: Path | None) -> None:
    if shutil.which("systemd-analyze") is None:
        report.not_checked(
            "systemd: the units are verified and their exposure told", "there is no systemd-analyze here"
        )
        return
    with tempfile.TemporaryDirectory(prefix="grantsync-units-") as folder:
        folder = Path(folder)
        for path in tree.deploy.glob("grantsync*.service*"):
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, folder / path.name)
        for path in folder.glob("*.service"):
            # verify looks whether the program is there
            path.write_text(path.read_text().replace(PROGRAM, str(binary or shutil.which("true"))))
        env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
        for unit in UNITS:
            path = Path("/") / folder / unit
            verified = run(["systemd-analyze", "verify", path], env)
            said = verified.stderr.strip().splitlines()
            report.holds(f"systemd: {unit} is verified", said or ["refused"] if verified.returncode or said else [])
            what = f"systemd: {unit} is exposed no more than {EXPOSURE}"
            scored = run(["systemd-analyze", "security", "--offline=true", "--no-pager", path], env)
            score = re.search(r"Overall exposure level for .*: ([\d.]+)", scored.stdout)
            if score is None:
                report.not_checked(what, f"systemd-analyze says {(scored.stderr.strip() or 'nothing')}")
            else:
                over = float(score[1]) > EXPOSURE
                report.holds(f"{what} ({score[1]})", ["raise no limit without a reason"] if over else [])


def run(command: list, env: dict) -> subprocess.CompletedProcess:
    return subprocess.run(command, env=env, capture_output=True, text=True)


def settings(text: str) -> dict[str, list[str]]:
    """What is set, by key; a key may stand several times."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith(("#", ";")):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def instance(tree: Tree, half: str) -> Process:
    """The template's process for one half, with its drop-ins."""
    unit = settings(tree.text(TEMPLATE))
    pairs = list(unit["Environment"])
    for drop_in in sorted(tree.deploy.joinpath(f"grantsync@{half}.service.d").glob("*.conf")):
        pairs += settings(drop_in.read_text()).get("Environment", [])
    folder = "/run/credentials"
    env = dict(pair.replace("%d", folder).split("=", 1) for pair in pairs)
    args = unit["ExecStart"][0].replace("%i", half).split()[1:]
    secrets = {f"grantsync_{name}" for name in NEEDS[half] - {"admin_token"}}
    return Process(f"grantsync@{half}.service", args, env, secrets, tree.text("grantsync.example.toml"), folder)


def whole(tree: Tree) -> Process:
    """The process of grantsync.service, whose secrets are variables."""
    unit = settings(tree.text("grantsync.service"))
    env = dict(pair.split("=", 1) for pair in unit["Environment"])
    env |= {"STRIPE_SECRET_KEY": "rk_test_check", "STRIPE_WEBHOOK_SECRET": "whsec_check", "ADAPTY_SECRET_KEY": "check"}
    sold = '[[catalog]]\nprice = "price_1"\naccess_level = "premium"\n'
    return Process("grantsync.service", unit["ExecStart"][0].split()[1:], env, set(), sold, "/var/lib/grantsync")


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))
