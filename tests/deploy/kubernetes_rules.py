"""Our own rules for what runs on Kubernetes."""

from files import USER, image_fault
from report import Report

COMPONENT = "app.kubernetes.io/component"
WORKLOADS = ("Deployment", "Job")
# what is applied before anything is served
FIRST = ("Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy", "Job")
# at which ports each is asked, and at which it may ask others
WAYS = {
    "migrate": (set(), {53, 5432}),
    "ingest": ({8080, 8081}, {53, 5432}),
    "work": ({8081}, {53, 5432, 443}),
}


class Things(list):
    """All objects."""

    def of(self, *kinds: str) -> list[dict]:
        return [thing for thing in self if thing["kind"] in kinds]


def check(report: Report, things: list[dict]) -> None:
    for what, rule in RULES.items():
        with report.rule(f"kubernetes/: {what}") as faults:
            faults += rule(Things(things))


def in_the_namespace(things: Things) -> list[str]:
    namespace = things.of("Namespace")[0]["metadata"]
    enforced = namespace["labels"].get("pod-security.kubernetes.io/enforce")
    faults = [] if enforced == "restricted" else [f"it enforces {enforced}"]
    others = [thing for thing in things if thing["kind"] != "Namespace"]
    return faults + [title(thing) for thing in others if thing["metadata"].get("namespace") != namespace["name"]]


def hardened(things: Things) -> list[str]:
    faults = []
    for thing in things.of(*WORKLOADS):
        spec = pod(thing)
        found = hardened_pod(spec)
        for container in spec["containers"] + spec.get("initContainers", []):
            found += hardened_container(container)
        faults += [f"{title(thing)} {fault}" for fault in found]
    return faults


def hardened_pod(spec: dict) -> list[str]:
    own = spec.get("securityContext", {})
    faults = [] if own.get("runAsNonRoot") is True and own.get("runAsUser") == USER else ["may be root"]
    faults += [] if own.get("seccompProfile") == {"type": "RuntimeDefault"} else ["has no seccomp profile"]
    faults += [f"has `{key}`" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    return faults + [f"mounts `{kind}`" for kind in sorted(kinds - {"configMap", "projected"})]


def hardened_container(container: dict) -> list[str]:
    own = container.get("securityContext", {})
    faults = [] if own.get("readOnlyRootFilesystem") is True else ["is not read-only"]
    faults += [] if own.get("allowPrivilegeEscalation") is False else ["may gain privileges"]
    faults += [] if own.get("capabilities") == {"drop": ["ALL"]} else ["does not drop all capabilities"]
    odd = {"privileged", "runAsUser", "runAsNonRoot", "procMount", "seccompProfile"} & set(own)
    faults += [f"sets `{key}` for one container" for key in sorted(odd)]
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    return faults + [f"mounts {path} writable" for path in writable]


def asks_nothing_of_kubernetes(things: Things) -> list[str]:
    accounts = things.of("ServiceAccount")
    names = [account["metadata"]["name"] for account in accounts]
    faults = [title(account) for account in accounts if account.get("automountServiceAccountToken") is not False]
    for thing in things.of(*WORKLOADS):
        spec = pod(thing)
        faults += [] if spec.get("automountServiceAccountToken") is False else [f"{title(thing)} mounts a token"]
        faults += [] if spec.get("enableServiceLinks") is False else [f"{title(thing)} has the variables of services"]
        faults += [] if spec.get("serviceAccountName") in names else [f"{title(thing)} has another account"]
    return faults + [title(thing) for thing in things if thing["kind"].endswith(("Role", "RoleBinding"))]


def limited(things: Things) -> list[str]:
    faults = []
    for thing in things.of(*WORKLOADS):
        for container in pod(thing)["containers"]:
            resources = container.get("resources", {})
            faults += image_fault(title(thing), container["image"])
            faults += [] if "memory" in resources.get("limits", {}) else [f"{title(thing)} has no limit of memory"]
            requests = {"cpu", "memory"} - set(resources.get("requests", {}))
            faults += [f"{title(thing)} does not request {name}" for name in sorted(requests)]
    return faults


def probed(things: Things) -> list[str]:
    paths = {"startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready"}
    faults = []
    for thing in things.of("Deployment"):
        for container in pod(thing)["containers"]:
            for probe, path in paths.items():
                asked = container.get(probe, {}).get("httpGet")
                faults += [] if asked == {"path": path, "port": "http"} else [f"{title(thing)}: `{probe}` asks {asked}"]
    return faults


def stops(things: Things) -> list[str]:
    faults = []
    for thing in things.of("Deployment"):
        spec = pod(thing)
        hooks = [container.get("lifecycle", {}).get("preStop", {}) for container in spec["containers"]]
        sleep = max(hook.get("sleep", {}).get("seconds", 0) for hook in hooks)
        # ten seconds are the program's own
        least = max(30, sleep + 20)
        faults += [] if spec.get("terminationGracePeriodSeconds", 30) >= least else [f"{title(thing)}: below {least} s"]
        # what is routed to must not stop listening while it is still routed to
        routed = thing["spec"]["template"]["metadata"]["labels"][COMPONENT] == "ingest"
        faults += [f"{title(thing)} stops listening at once"] if routed and sleep == 0 else []
    return faults


def two_of_each(things: Things) -> list[str]:
    faults = []
    for thing in things.of("Deployment"):
        scalers = [scaler["spec"] for scaler in things.of("HorizontalPodAutoscaler") if scales(scaler, thing)]
        own = [thing["spec"]["replicas"]] if "replicas" in thing["spec"] else []
        least = own + [scaler["minReplicas"] for scaler in scalers]
        faults += [] if len(least) == 1 and least[0] >= 2 else [f"{title(thing)} is told to be {least or 1}"]
        labels = thing["spec"]["template"]["metadata"]["labels"]
        budgets = [one["spec"] for one in things.of("PodDisruptionBudget") if selects(one["spec"]["selector"], labels)]
        away = [budget.get("maxUnavailable") for budget in budgets]
        faults += [] if away == [1] else [f"{title(thing)}: away may be {away}"]
        spreads = [spread["labelSelector"] for spread in pod(thing).get("topologySpreadConstraints", [])]
        if not spreads or not all(selects(spread, labels) for spread in [*spreads, thing["spec"]["selector"]]):
            faults.append(f"{title(thing)} does not select and spread its own pods")
    return faults


def scales(scaler: dict, thing: dict) -> bool:
    target = scaler["spec"]["scaleTargetRef"]
    return (target["kind"], target["name"]) == (thing["kind"], thing["metadata"]["name"])


def scaled_by_waiting(things: Things) -> list[str]:
    faults = []
    for scaler in things.of("HorizontalPodAutoscaler"):
        faults += [] if any(scales(scaler, thing) for thing in things.of("Deployment")) else ["it scales nothing"]
        names = [metric.get("external", {}).get("metric", {}).get("name") for metric in scaler["spec"]["metrics"]]
        faults += [] if names == ["grantsync_oldest_due_seconds"] else [f"it goes by {names}"]
    return faults


def walled(things: Things) -> list[str]:
    policies = [policy["spec"] for policy in things.of("NetworkPolicy")]
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    faults = [] if closed in policies else ["what is not allowed is not denied"]
    for thing in things.of(*WORKLOADS):
        labels = thing["spec"]["template"]["metadata"]["labels"]
        mine = [policy for policy in policies if selects(policy["podSelector"], labels)]
        into = [way for policy in mine for way in policy.get("ingress", [])]
        out = [way for policy in mine for way in policy.get("egress", [])]
        ways = tuple({port["port"] for way in side for port in way["ports"]} for side in (into, out))
        faults += [] if ways == WAYS[labels[COMPONENT]] else [f"{title(thing)} is asked at, and asks at {ways}"]
        faults += [f"{title(thing)} is asked by anyone" for way in into if not way.get("from")]
        anywhere = [way for way in out if not way.get("to") and {port["port"] for port in way["ports"]} != {5432}]
        faults += [f"{title(thing)} asks anyone" for _ in anywhere]
    return faults


def first_things_first(things: Things) -> list[str]:
    early = {thing["kind"] for thing in things if thing["metadata"]["labels"][COMPONENT] in ("base", "migrate")}
    faults = [f"no {kind}" for kind in FIRST if kind not in early]
    return faults + [f"{kind} too" for kind in sorted(early - set(FIRST))]


def selects(selector: dict, labels: dict) -> bool:
    for wanted in selector.get("matchExpressions", []):
        if wanted["operator"] != "In" or labels.get(wanted["key"]) not in wanted["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def pod(thing: dict) -> dict:
    return thing["spec"]["template"]["spec"]


def title(thing: dict) -> str:
    return f"{thing['kind']} `{thing['metadata']['name']}`"


RULES = {
    "the namespace enforces restricted pods, and everything is in it": in_the_namespace,
    "every container is non-root, read-only, without capabilities or new privileges": hardened,
    "no pod has a token, a role or another's variables": asks_nothing_of_kubernetes,
    "every container has a tag that stays, requests, and a limit of memory": limited,
    "what runs on is probed at the webhook port": probed,
    "what runs on is given 30 s to stop, and stops listening only when it is routed to no more": stops,
    "two of each at least, spread, and one at a time away": two_of_each,
    "the autoscaler goes by the oldest due account, an external metric": scaled_by_waiting,
    "nobody is asked and nobody asks but as needed": walled,
    "the job and what it needs are applied first": first_things_first,
}
