"""compose.yaml: its schema, our own rules, and the processes that run there."""

import json
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path

from dockerfile import Image
from files import NEEDS, USER, Process, Tree, image_fault, plain_secret_fault, secrets_fault
from report import Report

SETTINGS = {"source": "grantsync", "target": "/etc/grantsync/grantsync.toml"}
OURS = ("migrate", "ingest", "work")


def check(tree: Tree, report: Report, image: Image, no_schemas: str | None) -> list[Process]:
    path = tree.deploy / "compose.yaml"
    whole = tree.yaml[path][0]
    schema(report, whole, no_schemas)
    docker_compose(report, path)
    for what, rule in RULES.items():
        with report.rule(f"compose.yaml: {what}") as faults:
            faults += rule(whole)
    with report.rule("compose.yaml: every file that is mounted exists, or README.md says how to make it") as faults:
        told = tree.text("README.md")
        made = {"./grantsync.toml"} if "cp grantsync.example.toml grantsync.toml" in told else set()
        made |= {f"./secrets/{name}" for name in whole["secrets"] if f"secrets/{name}" in told}
        mounted = {one["file"] for kind in ("configs", "secrets") for one in whole[kind].values()}
        faults += [f"`{file}`" for file in sorted(mounted - made) if not (tree.deploy / file).is_file()]
    return [process(tree, image, name, whole["services"][name]) for name in OURS]


def schema(report: Report, whole: dict, missing: str | None) -> None:
    what = "compose.yaml: fits the schema of Compose"
    if missing:
        report.not_checked(what, missing)
        return
    import jsonschema

    carried = json.loads(distribution("docker-compose").read_text("../compose/config/compose_spec.json"))
    # the schema is older than `name`
    older = {key: value for key, value in whole.items() if key != "name"}
    validator = jsonschema.Draft201909Validator(carried)
    report.holds(what, [f"{error.json_path}: {error.message}"[:300] for error in validator.iter_errors(older)])


def docker_compose(report: Report, path: Path) -> None:
    what = "compose.yaml: `docker compose config` takes it"
    if shutil.which("docker") is None:
        return report.not_checked(what, "there is no docker here")
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        return report.not_checked(what, "docker has no plugin `compose` here")
    told = subprocess.run(["docker", "compose", "-f", path, "config", "--quiet"], capture_output=True, text=True)
    return report.holds(what, told.stderr.splitlines() or ["refused"] if told.returncode else [])


def hardened(whole: dict) -> list[str]:
    faults = []
    for name, service in whole["services"].items():
        user = str(service.get("user", "0")).partition(":")[0]
        faults += [f"`{name}` is user {user}"] if user in ("0", "root") or (name in OURS and user != str(USER)) else []
        faults += [] if service.get("read_only") is True else [f"`{name}` is not read-only"]
        faults += [] if service.get("cap_drop") == ["ALL"] else [f"`{name}` does not drop all capabilities"]
        held = "no-new-privileges:true" in service.get("security_opt", [])
        faults += [] if held else [f"`{name}` may gain privileges"]
        odd = {"cap_add", "privileged", "pid", "ipc", "network_mode", "devices", "userns_mode"} & set(service)
        faults += [f"`{name}` has `{key}`" for key in sorted(odd)]
    return faults


def limited(whole: dict) -> list[str]:
    faults = []
    for name, service in whole["services"].items():
        faults += image_fault(f"`{name}`", service["image"])
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        faults += [] if "memory" in limits else [f"`{name}` has no limit of memory"]
        restart, once = service.get("restart"), name == "migrate"
        faults += [] if restart == ("no" if once else "unless-stopped") else [f"`{name}` restarts {restart}"]
        stop = seconds(service.get("stop_grace_period", "10s"))
        faults += [] if once or stop >= 30 else [f"`{name}` is given {stop:.0f} s to stop"]
    return faults


def in_order(whole: dict) -> list[str]:
    services = whole["services"]
    faults = [] if "pg_isready" in services["postgres"]["healthcheck"]["test"] else ["`postgres` is not asked"]
    waits = {
        "migrate": {"postgres": {"condition": "service_healthy"}},
        "ingest": {"migrate": {"condition": "service_completed_successfully"}},
        "work": {"migrate": {"condition": "service_completed_successfully"}},
    }
    faults += [
        f"`{name}` does not wait for {what}" for name, what in waits.items() if services[name]["depends_on"] != what
    ]
    return faults + ([] if services["work"]["deploy"]["replicas"] >= 2 else ["fewer than two workers"])


def walled(whole: dict) -> list[str]:
    services = whole["services"]
    published = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    faults = [] if published == [("ingest", "127.0.0.1:8080:8080")] else [f"published: {published}"]
    faults += [] if whole["networks"]["database"].get("internal") is True else ["`database` has a way out"]
    alone = ("postgres", "migrate")
    faults += [f"`{name}` is on more than `database`" for name in alone if services[name]["networks"] != ["database"]]
    apart = set(services["ingest"]["networks"]) & set(services["work"]["networks"])
    return faults + ([] if apart == {"database"} else [f"`ingest` and `work` share {sorted(apart)}"])


def own_secrets(whole: dict) -> list[str]:
    files = {name: {"file": f"./secrets/{name}"} for name in whole["secrets"]}
    faults = [] if whole["secrets"] == files else ["a secret is no file below ./secrets"]
    for name, service in whole["services"].items():
        for variable, value in service.get("environment", {}).items():
            faults += plain_secret_fault(f"`{name}`", variable, value)
    for name in OURS:
        faults += secrets_fault(f"`{name}`", set(whole["services"][name]["secrets"]), NEEDS[name])
        faults += [] if SETTINGS in whole["services"][name]["configs"] else [f"`{name}` does not mount the settings"]
    return faults


def process(tree: Tree, image: Image, name: str, service: dict) -> Process:
    env = {**image.env, **service.get("environment", {})}
    settings = tree.text("grantsync.example.toml")
    return Process(f"compose.yaml `{name}`", service["command"], env, set(service["secrets"]), settings)


def seconds(text: str) -> float:
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    unit = next(unit for unit in units if text.endswith(unit))
    return float(text.removesuffix(unit)) * units[unit]


RULES = {
    "every container is non-root, read-only, without capabilities or new privileges": hardened,
    "every container has a tag that stays, a limit of memory, and a policy of restarts": limited,
    "the database is asked, migrated once, then served by one ingester and two workers": in_order,
    "the ingester alone is published, on loopback, and the database has no way out": walled,
    "secrets are files, and each container is given its own alone": own_secrets,
}
