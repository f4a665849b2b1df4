"""Reads what is deployed, and what is known of every process."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from report import Report

USER = 65532
SECRETS = "/run/secrets"

# What each process is given, and nothing more. The address of `migrate` is the owner's.
NEEDS = {
    "migrate": {"migrate_database_url"},
    "ingest": {"database_url", "stripe_webhook_secrets", "admin_token"},
    "work": {"database_url", "stripe_key", "adapty_key", "admin_token"},
}


@dataclass
class Process:
    """One process as it is deployed."""

    where: str
    args: list[str]
    env: dict[str, str]
    # names of the files it finds in `folder`
    secrets: set[str]
    settings: str
    folder: str = SECRETS

    @property
    def half(self) -> str:
        """`migrate`, `ingest` or `work`; `both` for a `serve` that does everything."""
        only = self.args.index("--only") + 1 if "--only" in self.args else 0
        return self.args[only] if only or self.args[0] != "serve" else "both"


@dataclass
class Tree:
    root: Path
    yaml: dict[Path, list] = field(default_factory=dict)

    @property
    def deploy(self) -> Path:
        return self.root / "deploy"

    def name(self, path: Path) -> str:
        return str(path.relative_to(self.root))

    def text(self, *parts: str) -> str:
        return self.deploy.joinpath(*parts).read_text()


class Strict(yaml.SafeLoader):
    """Refuses a key that stands twice."""


def _mapping(loader: Strict, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key) for key, _ in node.value if key.value != "<<"]
    twice = {str(key) for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"written twice: {', '.join(twice)}", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(text: str) -> list:
    return [document for document in yaml.load_all(text, Loader=Strict) if document is not None]


def read(root: Path, report: Report) -> Tree | None:
    """All files; `None` when one cannot be read."""
    tree = Tree(root)
    faults = report.counts["FAILED"]
    for path in sorted(tree.deploy.rglob("*.y*ml")):
        try:
            tree.yaml[path] = load(path.read_text())
            report.holds(f"{tree.name(path)} is YAML, no key twice", [] if tree.yaml[path] else ["nothing is in it"])
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            report.failed(f"{tree.name(path)} is YAML", str(error))
    for path in sorted(tree.deploy.rglob("*.toml")):
        try:
            tomllib.loads(path.read_text())
            report.ok(f"{tree.name(path)} is TOML")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            report.failed(f"{tree.name(path)} is TOML", str(error))
    return tree if report.counts["FAILED"] == faults else None


def secrets_fault(where: str, given: set[str], needs: set[str]) -> list[str]:
    """What a process is given too much or too little of."""
    more, less = sorted(given - needs), sorted(needs - given)
    faults = [f"{where} is given {', '.join(more)}, which it does not need"] if more else []
    return faults + ([f"{where} is not given {', '.join(less)}"] if less else [])


def plain_secret_fault(where: str, name: str, value: object) -> list[str]:
    """A secret in the environment, where every child and every listing shows it."""
    secret = any(part in name for part in ("PASSWORD", "SECRET", "TOKEN", "KEY", "DATABASE__URL", "DATABASE_URL"))
    held = isinstance(value, str) and (value.startswith("file:") or name.endswith("_FILE"))
    return [f"{where} has `{name}` in its environment, not in a file"] if secret and not held else []


def image_fault(where: str, image: str) -> list[str]:
    if "@sha256:" in image:
        return []
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return [] if tag and tag != "latest" else [f"{where} runs `{image}`: no tag that stays"]
