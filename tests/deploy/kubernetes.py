"""kubernetes/: what kustomize makes of it, the schemas of Kubernetes, and the processes that run there."""

import shutil
import subprocess
from pathlib import Path

import kubernetes_rules
from dockerfile import Image
from files import NEEDS, SECRETS, Process, Tree, load, plain_secret_fault, secrets_fault
from kubernetes_rules import COMPONENT, WORKLOADS, pod, title
from report import Report

# the oldest that is said to do (lifecycle.preStop.sleep), and the newest that the package knows
VERSIONS = ["1.30", "1.37"]


def check(tree: Tree, report: Report, image: Image, no_schemas: str | None) -> list[Process]:
    folder = tree.deploy / "kubernetes"
    kustomization = tree.yaml[folder / "kustomization.yaml"][0]
    written = [thing for name in kustomization["resources"] for thing in tree.yaml[folder / name]]
    with report.rule("kubernetes/: every file is in the kustomization, and no Secret is in any") as faults:
        files = {path.name for path in tree.yaml if path.parent == folder} - {"kustomization.yaml"}
        faults += [f"`{name}` is not in it" for name in sorted(files - set(kustomization["resources"]))]
        faults += [title(thing) for thing in written if thing["kind"] == "Secret"]
        faults += ["it generates secrets"] if "secretGenerator" in kustomization else []
    made = kustomized(report, folder) or by_hand(tree, written, kustomization)
    schemas(report, made, no_schemas)
    kubernetes_rules.check(report, made)
    pods = {thing["metadata"]["labels"][COMPONENT]: pod(thing) for thing in made if thing["kind"] in WORKLOADS}
    processes = [process(tree, image, name, spec) for name, spec in pods.items()]
    with report.rule("kubernetes/: each pod is given its own secrets alone, as files of its group") as faults:
        for each in processes:
            faults += secrets_fault(each.where, each.secrets, NEEDS[each.half])
        for name, spec in pods.items():
            faults += [f"`{name}`: secrets are not 0440" for mode in modes(spec) if mode != 0o440]
            for variable in spec["containers"][0].get("env", []):
                faults += plain_secret_fault(f"`{name}`", variable["name"], variable.get("value"))
    with report.rule("kubernetes/: settings and secrets are mounted where they are read") as faults:
        maps = {thing["metadata"]["name"]: thing["data"] for thing in made if thing["kind"] == "ConfigMap"}
        for name, spec in pods.items():
            container = spec["containers"][0]
            at = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            if f"{at['settings']}/grantsync.toml" not in container["args"] or at["secrets"] != SECRETS:
                faults.append(f"`{name}` mounts {at}")
            used = [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume]
            faults += [f"`{name}` uses `{one}`" for one in used if "grantsync.toml" not in maps.get(one, {})]
    with report.rule("kubernetes/: kustomization.yaml says how to make every secret that is mounted") as faults:
        lines = tree.text("kubernetes", "kustomization.yaml").splitlines()
        for secret in [secret for spec in pods.values() for secret in secret_sources(spec)]:
            told = next((line for line in lines if f"create secret generic {secret['name']} " in line), "")
            keys = [item["key"] for item in secret["items"]]
            faults += [f"`{secret['name']}` without `{key}`" for key in keys if f"--from-file={key}" not in told]
    return processes


def kustomized(report: Report, folder: Path) -> list[dict] | None:
    what = "kubernetes/: kustomize builds it"
    commands = [["kustomize", "build"], ["kubectl", "kustomize"]]
    command = next((command for command in commands if shutil.which(command[0])), None)
    if command is None:
        report.not_checked(what, "there is neither kustomize nor kubectl here; the rules go by the files as written")
        return None
    built = subprocess.run([*command, folder], capture_output=True, text=True)
    report.holds(what, [built.stderr] if built.returncode else [])
    return load(built.stdout) if built.returncode == 0 else None


def by_hand(tree: Tree, written: list[dict], kustomization: dict) -> list[dict]:
    """What kustomize would make of the files, as far as the rules look."""
    maps = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": generated["name"], "labels": generated["options"]["labels"]},
            "data": {name: tree.text("kubernetes", name) for name in generated["files"]},
        }
        for generated in kustomization["configMapGenerator"]
    ]
    for thing in [*written, *maps]:
        if thing["kind"] != "Namespace":
            thing["metadata"]["namespace"] = kustomization["namespace"]
        for container in pod(thing)["containers"] if thing["kind"] in WORKLOADS else []:
            for image in kustomization["images"]:
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return [*written, *maps]


def schemas(report: Report, things: list[dict], missing: str | None) -> None:
    for version in VERSIONS:
        what = f"kubernetes/: every object fits the schema of Kubernetes {version}, no field unknown"
        if missing:
            report.not_checked(what, missing)
            continue
        import kubernetes_validate

        faults = []
        for thing in things:
            try:
                kubernetes_validate.validate(thing, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                faults.append(f"{title(thing)}: {'.'.join(str(part) for part in error.path)}: {error.message}"[:300])
            except kubernetes_validate.SchemaNotFoundError as error:
                faults.append(f"{title(thing)}: {error.message}")
        report.holds(what, faults)


def secret_sources(spec: dict) -> list[dict]:
    return [source["secret"] for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", [])]


def modes(spec: dict) -> list[int]:
    return [volume["projected"]["defaultMode"] for volume in spec["volumes"] if "projected" in volume]


def process(tree: Tree, image: Image, name: str, spec: dict) -> Process:
    container = spec["containers"][0]
    env = {**image.env, **{variable["name"]: variable["value"] for variable in container.get("env", [])}}
    secrets = {item["path"] for secret in secret_sources(spec) for item in secret["items"]}
    settings = tree.text("kubernetes", "grantsync.toml")
    return Process(f"kubernetes/ `{name}`", container["args"], env, secrets, settings)
