"""The ports of settings, image, probes, services and scrapes are the same."""

from dockerfile import Image
from files import Process, Tree
from report import Report

FRONT, ADMIN = "GRANTSYNC__SERVER__LISTEN", "GRANTSYNC__SERVER__ADMIN_LISTEN"


def check(tree: Tree, report: Report, deployed: list[Process], image: Image) -> None:
    serving = [process for process in deployed if process.half in ("ingest", "work")]
    contained = [process for process in serving if not process.where.endswith(".service")]

    with report.rule("ports: every container listens at 8080 and 8081 for others, as the image exposes") as faults:
        for process in contained:
            if (process.env.get(FRONT), process.env.get(ADMIN)) != ("0.0.0.0:8080", "0.0.0.0:8081"):
                faults.append(f"{process.where} listens at {process.env.get(FRONT)} and {process.env.get(ADMIN)}")
            if not process.env.get("GRANTSYNC__SERVER__ADMIN_TOKEN", "").startswith("file:"):
                faults.append(f"{process.where} answers metrics to nobody: it has no token")
        faults += [] if image.ports == {8080, 8081} else [f"the image exposes {sorted(image.ports)}"]

    with report.rule("ports: two halves on one machine do not share theirs") as faults:
        units = [process for process in serving if process.where.endswith(".service")]
        bound = [
            unit.env.get(key, default)
            for unit in units
            for key, default in ((FRONT, "127.0.0.1:8080"), (ADMIN, "127.0.0.1:8081"))
        ]
        faults += [] if len(set(bound)) == len(bound) else [f"bound: {bound}"]
        faults += [f"`{address}` is not on loopback" for address in bound if not address.startswith("127.0.0.1:")]

    with report.rule(
        "ports: compose.yaml publishes the port of the webhooks, and Prometheus asks the admin port"
    ) as faults:
        published = tree.yaml[tree.deploy / "compose.yaml"][0]["services"]["ingest"]["ports"]
        faults += [f"published: {published}"] if [port.split(":")[-1] for port in published] != ["8080"] else []
        for job in tree.yaml[tree.deploy / "prometheus.example.yaml"][0]["scrape_configs"]:
            asked = [names["port"] for names in job.get("dns_sd_configs", [])]
            faults += [f"`{job['job_name']}` asks {asked}"] if any(port != 8081 for port in asked) else []

    kubernetes = tree.deploy / "kubernetes"
    with report.rule("ports: names in probes and services are those of the containers") as faults:
        listed = {}
        for half in ("ingest", "work"):
            container = tree.yaml[kubernetes / f"{half}.yaml"][0]["spec"]["template"]["spec"]["containers"][0]
            listed[half] = {port["name"]: port["containerPort"] for port in container["ports"]}
            if listed[half] != {"http": 8080, "metrics": 8081}:
                faults.append(f"`{half}` names {listed[half]}")
        for service in tree.yaml[kubernetes / "services.yaml"]:
            half = service["spec"]["selector"].get("app.kubernetes.io/component")
            for port in service["spec"]["ports"]:
                for chosen in [half] if half else listed:
                    if port["targetPort"] not in listed[chosen]:
                        faults.append(f"`{service['metadata']['name']}` names `{port['targetPort']}`")
        faults += (
            []
            if tree.yaml[kubernetes / "services.yaml"][0]["spec"]["ports"][0]["targetPort"] == "http"
            else ["webhooks"]
        )
