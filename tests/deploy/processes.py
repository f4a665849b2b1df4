"""The program itself: knows every setting and argument, and each process runs on what it is given and on no less."""

import hmac
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dockerfile import Image
from files import SECRETS, Process
from ports import ADMIN, FRONT
from report import Report

# the one of the tests; nothing of it is a secret
SAMPLE = {
    "stripe_webhook_secrets": "whsec_one,whsec_two",
    "stripe_key": "rk_live_check",
    "adapty_key": "secret_live_check",
    "admin_token": "check-token",
}
MODE = "GRANTSYNC__STRIPE__MODE"
METRICS = ["grantsync_oldest_due_seconds", "grantsync_due_accounts", "grantsync_parked"]
WEBHOOKS = "/webhooks/stripe"
# seconds
STARTS = 30.0
SHOWS = 10.0
STOPS = 15.0


def check(report: Report, deployed: list[Process], image: Image, binary: Path | None) -> None:
    with report.rule("every ingester is told that live events count, since it has no key that tells it") as faults:
        ingesters = [process for process in deployed if process.half == "ingest"]
        faults += [f"{each.where}: {each.env.get(MODE)}" for each in ingesters if each.env.get(MODE) != "live"]
        faults += [] if len(ingesters) == 3 else [f"there are {len(ingesters)}"]
    if binary is None:
        why = "no program was given with `--binary`"
        report.not_checked("that the program knows every setting and argument", why)
        report.not_checked("that every process starts, answers and stops as deployed", why)
        return
    report.holds("the program runs", [] if ask(binary, ["--version"]).returncode == 0 else [f"`{binary}` does not"])
    arguments(report, [(process.where, process.args) for process in deployed] + [("Dockerfile", image.args)], binary)
    for process in deployed:
        knows(report, process, binary)
    for process in deployed:
        if process.half != "migrate":
            runs(report, process, binary)
        if process.half in ("ingest", "work"):
            needs_all(report, process, binary)
        if process.half == "ingest":
            ignores_tests(report, process, binary)


def arguments(report: Report, given: list[tuple[str, list[str]]], binary: Path) -> None:
    with report.rule("the program takes the arguments of every process, and refuses others") as faults:
        for where, args in given:
            told = ask(binary, [*args, "--help"])
            faults += [f"{where}: {told.stderr.strip()}"] if told.returncode else []
        for wrong in (["serve", "--only", "nobody", "--help"], ["serve", "--nothing", "--help"], ["nothing", "--help"]):
            faults += (
                [f"`{' '.join(wrong)}` is taken, so this shows nothing"] if ask(binary, wrong).returncode == 0 else []
            )


def knows(report: Report, process: Process, binary: Path) -> None:
    """`migrate` reads all settings, and exits with 2 where one is unknown."""
    with report.rule(f"{process.where}: the program knows every setting") as faults, Home(process) as home:
        told = ask(binary, ["migrate", "--config", home.settings], home.env)
        faults += [f"exit status {told.returncode}: {told.stderr.strip()}"] if told.returncode else []
        if (
            ask(
                binary, ["migrate", "--config", home.settings], {**home.env, "GRANTSYNC__SERVER__NOTHING": "1"}
            ).returncode
            != 2
        ):
            faults.append("an unknown variable is taken, so this shows nothing")
        home.settings.write_text(f'{home.settings.read_text()}\n[nothing]\nat = "all"\n')
        if ask(binary, ["migrate", "--config", home.settings], home.env).returncode != 2:
            faults.append("an unknown key is taken, so this shows nothing")


def runs(report: Report, process: Process, binary: Path) -> None:
    what = f"{process.where}: starts with what it is given, is ready, guards its metrics, and stops when told"
    with report.rule(what) as faults, Home(process) as home, Running(binary, home) as running:
        if not running.is_ready():
            faults.append(f"not ready: {running.log()}")
            return
        faults += [f"no metric `{name}`" for name in METRICS if not running.shows(f"\n{name}")]
        guarded = not home.env[ADMIN].startswith("127.")
        statuses = {
            "live": (get(home.front, "/health/live")[0], 200),
            "metrics without the token": (get(home.admin, "/metrics")[0], 401 if guarded else 200),
            "an unsigned webhook": (
                request(home.front, "POST", WEBHOOKS, "{}")[0],
                404 if process.half == "work" else 400,
            ),
        }
        faults += [f"{what}: {got}, not {wanted}" for what, (got, wanted) in statuses.items() if got != wanted]
        faults += running.stop()


def needs_all(report: Report, process: Process, binary: Path) -> None:
    """Least privilege, from the other side: take any one secret away, and it must not start."""
    with report.rule(f"{process.where}: does not start without any one of its secrets") as faults:
        for name in sorted(process.secrets):
            with Home(process) as home:
                (home.folder / name).unlink()
                with Running(binary, home) as running:
                    if running.is_ready():
                        faults.append(f"it runs without `{name}`: take that away from it")


def ignores_tests(report: Report, process: Process, binary: Path) -> None:
    what = f"{process.where}: enqueues for a live event, and ignores one of test mode"
    with report.rule(what) as faults, Home(process) as home, Running(binary, home) as running:
        if not running.is_ready():
            faults.append(f"not ready: {running.log()}")
            return
        for event, live, outcome in (("invoice.paid", True, "enqueued"), ("invoice.voided", False, "other_mode")):
            status, text = send(home.front, event, live)
            faults += [f"`{event}` is answered {status}: {text}"] if status != 200 else []
            counted = f'grantsync_events_total{{type="{event}",outcome="{outcome}"}} 1'
            faults += [] if running.shows(counted) else [f"`{event}` is not counted as `{outcome}`"]


class Home:
    """A directory with a process's settings, secrets and database, and the environment it is deployed with."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def __enter__(self) -> "Home":
        self.own = tempfile.TemporaryDirectory(prefix="grantsync-home-")
        self.folder = Path(self.own.name)
        database = f"sqlite:{self.folder / 'grantsync.db'}"
        for name in self.process.secrets:
            value = SAMPLE.get(name.removeprefix("grantsync_"), database)
            (self.folder / name).write_text(f"{value}\n")
        moved = {key: value.replace(self.process.folder, str(self.folder)) for key, value in self.process.env.items()}
        self.settings = self.folder / "grantsync.toml"
        self.settings.write_text(self.process.settings.replace(SECRETS, str(self.folder)))
        self.front, self.admin = free_ports(2)
        self.env = {
            **moved,
            FRONT: f"{host(moved.get(FRONT))}:{self.front}",
            ADMIN: f"{host(moved.get(ADMIN))}:{self.admin}",
            # nothing leaves the machine
            "GRANTSYNC__STRIPE__API_BASE": "http://127.0.0.1:9",
            "GRANTSYNC__ADAPTY__API_BASE": "http://127.0.0.1:9",
        }
        return self

    def __exit__(self, *_: object) -> None:
        self.own.cleanup()

    def args(self) -> list[str]:
        return [str(self.settings) if arg == "/etc/grantsync/grantsync.toml" else arg for arg in self.process.args]


class Running:
    """The process, ended with the block whatever happens."""

    def __init__(self, binary: Path, home: Home) -> None:
        self.binary, self.home = binary, home

    def __enter__(self) -> "Running":
        self.file = (self.home.folder / "log").open("w+")
        command = [self.binary, *self.home.args()]
        self.child = subprocess.Popen(
            command, env=self.home.env, cwd=self.home.folder, stdout=self.file, stderr=self.file
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.wait()
        self.file.close()

    def is_ready(self) -> bool:
        def ready() -> bool:
            # the admin side listens a moment later
            return get(self.home.front, "/health/ready")[0] == 200 and get(self.home.admin, "/")[0] != 0

        return self.comes(ready, STARTS)

    def shows(self, metric: str) -> bool:
        return self.comes(lambda: metric in get(self.home.admin, "/metrics", SAMPLE["admin_token"])[1], SHOWS)

    def comes(self, holds: Callable[[], bool], within: float) -> bool:
        until = time.monotonic() + within
        while time.monotonic() < until and self.child.poll() is None:
            if holds():
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> list[str]:
        os.kill(self.child.pid, signal.SIGTERM)
        try:
            status = self.child.wait(STOPS)
        except subprocess.TimeoutExpired:
            return [f"it does not stop within {STOPS:.0f} s"]
        return [f"stopped with status {status}: {self.log()}"] if status else []

    def log(self) -> str:
        self.file.seek(0)
        return self.file.read()[-500:] or "it says nothing"


def ask(binary: Path, args: list, env: dict | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([binary, *args], env=env or {}, capture_output=True, text=True, timeout=60)


def get(port: int, path: str, token: str | None = None) -> tuple[int, str]:
    return request(port, "GET", path, headers={"Authorization": f"Bearer {token}"} if token else None)


def send(port: int, event: str, live: bool) -> tuple[int, str]:
    """A webhook as Stripe signs it."""
    now = int(time.time())
    body = json.dumps(
        {
            "id": f"evt_{event}",
            "object": "event",
            "type": event,
            "created": now,
            "livemode": live,
            "data": {"object": {"id": "in_1", "object": "invoice", "customer": "cus_1"}},
        }
    )
    secret = SAMPLE["stripe_webhook_secrets"].partition(",")[0]
    signature = hmac.new(secret.encode(), f"{now}.{body}".encode(), "sha256").hexdigest()
    return request(port, "POST", WEBHOOKS, body, {"Stripe-Signature": f"t={now},v1={signature}"})


def request(port: int, method: str, path: str, body: str | None = None, headers: dict | None = None) -> tuple[int, str]:
    """Status and text; 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def host(address: str | None) -> str:
    return address.rpartition(":")[0] if address else "127.0.0.1"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
