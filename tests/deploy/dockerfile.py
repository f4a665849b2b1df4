"""The image: small, without root, and what it is built from."""

import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass

from files import USER, Tree, image_fault
from report import Report


@dataclass
class Image:
    args: list[str]
    env: dict[str, str]
    ports: set[int]


def check(tree: Tree, report: Report, no_hadolint: str | None) -> Image:
    steps = read(tree.text("Dockerfile"))
    last = max(index for index, (word, _) in enumerate(steps) if word == "FROM")
    stage = steps[last + 1 :]
    words = [word for word, _ in stage]
    image = Image([], {}, set())

    with report.rule("Dockerfile: the image has no shell, no root and no health check of its own") as faults:
        if "distroless" not in steps[last][1]:
            faults.append(f"`FROM {steps[last][1]}` is not distroless")
        if "RUN" in words:
            faults.append("its last stage runs something")
        if dict(stage).get("USER") != f"{USER}:{USER}":
            faults.append(f"its user is not {USER}:{USER}")
        if "HEALTHCHECK" in words:
            faults.append("it has a HEALTHCHECK")
        if json.loads(dict(stage)["ENTRYPOINT"]) != ["/usr/local/bin/grantsync"]:
            faults.append("its entry point is not the program")
        image.args = json.loads(dict(stage)["CMD"])
        image.env = dict(pair.split("=", 1) for word, rest in stage if word == "ENV" for pair in rest.split())
        image.ports = {int(port) for word, rest in stage if word == "EXPOSE" for port in rest.split()}
        if not any(word == "LABEL" and "org.opencontainers.image.title" in rest for word, rest in stage):
            faults.append("it has no label with a title")

    with report.rule("Dockerfile: every FROM names a tag that stays, both stages on one Debian") as faults:
        defaults = dict(rest.split("=", 1) for word, rest in steps if word == "ARG" and "=" in rest)
        bases = [re.sub(r"\$\{(\w+)\}", lambda name: defaults[name[1]], rest).split()[0] for _, rest in froms(steps)]
        for base in bases:
            faults += image_fault("Dockerfile", base)
        debian = {"bookworm": "12", "trixie": "13"}
        built = next(number for name, number in debian.items() if bases[0].endswith(name))
        if f"debian{built}:" not in bases[-1]:
            faults.append(f"built on Debian {built}, run on `{bases[-1]}`")

    with report.rule("Dockerfile: Rust is not older than Cargo.toml asks for, and the build is locked") as faults:
        asked = tomllib.loads((tree.root / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
        if numbers(defaults["RUST_VERSION"]) < numbers(asked):
            faults.append(f"{defaults['RUST_VERSION']} is older than {asked}")
        build = " ".join(rest for word, rest in steps if word == "RUN")
        faults += [f"no `{part}`" for part in ("--mount=type=cache", "--profile dist --locked") if part not in build]

    with report.rule("Dockerfile.dockerignore: lets in what is copied, and nothing else") as faults:
        lines = [line for line in tree.text("Dockerfile.dockerignore").splitlines() if line and line[0] != "#"]
        allowed = {line[1:] for line in lines if line.startswith("!")}
        copied = {name for word, rest in steps if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
        if lines[0] != "*":
            faults.append("it does not begin by shutting everything out")
        if copied != allowed:
            faults.append(f"copied {sorted(copied)}, let in {sorted(allowed)}")
        faults += [f"`{name}` does not exist" for name in copied if not (tree.root / name).exists()]

    hadolint(tree, report, no_hadolint)
    report.not_checked(
        "that the image builds and runs",
        "it takes minutes and a Docker daemon with a registry; try `docker build -f deploy/Dockerfile .`",
    )
    return image


def read(text: str) -> list[tuple[str, str]]:
    """Instructions, without comments, each on one line."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines()]


def froms(steps: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [step for step in steps if step[0] == "FROM"]


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def hadolint(tree: Tree, report: Report, missing: str | None) -> None:
    what = "Dockerfile: hadolint finds nothing"
    program = shutil.which("hadolint")
    if program is None:
        report.not_checked(what, missing or "it is not installed")
        return
    told = subprocess.run([program, "--no-color", tree.deploy / "Dockerfile"], capture_output=True, text=True)
    report.holds(what, (told.stdout + told.stderr).splitlines() if told.returncode else [])
