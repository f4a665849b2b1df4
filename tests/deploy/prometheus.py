"""prometheus.example.yaml: scrapes the admin port with the token."""

import shutil
import subprocess

from files import Tree
from report import Report


def check(tree: Tree, report: Report) -> None:
    path = tree.deploy / "prometheus.example.yaml"
    with report.rule("prometheus.example.yaml: every job sends the token from a file") as faults:
        for job in tree.yaml[path][0]["scrape_configs"]:
            sent = job.get("authorization", {})
            if sent.get("type") != "Bearer" or not sent.get("credentials_file", "").endswith("/admin_token"):
                faults.append(f"`{job['job_name']}` sends {sent}")
    what = "prometheus.example.yaml: promtool takes it"
    if shutil.which("promtool") is None:
        report.not_checked(what, "there is no promtool here")
        return
    told = subprocess.run(["promtool", "check", "config", "--syntax-only", path], capture_output=True, text=True)
    if "kubernetes_sd_configs not found" in told.stderr:
        report.not_checked(what, "this promtool was built without Kubernetes")
    else:
        report.holds(what, [told.stderr or told.stdout] if told.returncode else [])
