#!/usr/bin/env python3
"""Asks the admin API of a running program all that its OpenAPI document allows, and much that it forbids.

    python3 tests/api/check.py --binary target/debug/grantsync [--requests 40] [--seed N]

Schemathesis makes the requests up from the document and holds every answer against it: no 5xx that is not documented, no
status, type or body that is not, nothing accepted that the document forbids, nothing answered without the token. The
program runs on SQLite and loopback, with a few events in its inbox and upstreams that do not answer; nothing leaves the
machine. Exit status 1 when an answer is wrong. Needs Python 3.11 with venv, and a package index for requirements.txt.
"""

import argparse
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOKEN = "a-token-for-the-check"
SECRET = "whsec_check"
# what the document names as examples
EVENT, CUSTOMER, USER = "evt_1MqqbKLt4dXK03v5qaIbiNCC", "cus_9s6XKzkNRiz8i3", "u-42"
# "exactly one of these fields", and what an account looks like, is said in words only
UNCHECKED = "positive_data_acceptance"
# the document names these two for upstreams and databases that do not answer
CONFIG = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "4xx", "502", "503"]\n'


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", type=Path, required=True, help="the program")
    arguments.add_argument("--requests", type=int, default=40, help="requests made up for each path and method")
    arguments.add_argument("--seed", type=int, default=1, help="what the requests are made up from")
    given = arguments.parse_args()
    if not os.access(given.binary, os.X_OK):
        arguments.error(f"there is no program `{given.binary}`: build it first")
    with tempfile.TemporaryDirectory(prefix="grantsync-api-") as folder:
        schemathesis = installed(Path(folder))
        with Program(given.binary.resolve(), Path(folder)) as program:
            program.fill()
            return asked(schemathesis, program, given)


def installed(folder: Path) -> Path:
    """Schemathesis in an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    tools = folder / "venv" / "bin"
    install = [tools / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    subprocess.run([*install, "-r", HERE / "requirements.txt"], check=True)
    return tools / "schemathesis"


def asked(schemathesis: Path, program: "Program", given: argparse.Namespace) -> int:
    config = program.folder / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [schemathesis, "--config-file", config, "run", f"{program.admin}/v1/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"]
    command += ["--max-examples", given.requests, "--seed", given.seed, "--exclude-checks", UNCHECKED]
    command += ["--phases", "examples,coverage,fuzzing", "--no-color"]
    ended = subprocess.run([str(word) for word in command], cwd=program.folder)
    if not program.runs():
        print("the program has ended", file=sys.stderr)
        return 1
    return ended.returncode


class Program:
    """`grantsync serve` with a token, an empty SQLite database and upstreams that refuse connections."""

    def __init__(self, binary: Path, folder: Path):
        self.binary, self.folder = binary, folder
        self.front, self.admin = (f"http://127.0.0.1:{free_port()}" for _ in range(2))

    def __enter__(self) -> "Program":
        nobody = "http://127.0.0.1:9"
        settings = f"""
            server.listen = "{self.front[7:]}"
            server.admin_listen = "{self.admin[7:]}"
            server.admin_token = "{TOKEN}"
            database.url = "sqlite:check.db"
            stripe.secret_key = "sk_test_check"
            stripe.webhook_secrets = ["{SECRET}"]
            stripe.api_base = "{nobody}"
            adapty.secret_key = "secret_live_check"
            adapty.api_base = "{nobody}"
            inbox.keep_bodies = true
            [[catalog]]
            product = "prod_premium"
            access_level = "premium"
        """
        (self.folder / "grantsync.toml").write_text(settings)
        log = open(self.folder / "log", "w")
        self.process = subprocess.Popen([self.binary, "serve"], cwd=self.folder, env={}, stderr=log)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.front}/health/ready").close()
                return self
            except urllib.error.URLError:
                time.sleep(0.05)
        raise SystemExit(f"the program is not ready:\n{(self.folder / 'log').read_text()}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def runs(self) -> bool:
        return self.process.poll() is None

    def fill(self):
        """An event, and whose account it rang for."""
        now = int(time.time())
        invoice = {"id": "in_1MtHbELkdIwHu7ixl4OzzPMv", "object": "invoice", "customer": CUSTOMER}
        body = json.dumps(
            {
                "id": EVENT,
                "object": "event",
                "type": "invoice.paid",
                "created": now,
                "livemode": False,
                "data": {"object": invoice},
            }
        )
        signed = hmac.new(SECRET.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
        post(f"{self.front}/webhooks/stripe", body, {"stripe-signature": f"t={now},v1={signed}"})
        link = json.dumps({"account": f"stripe:{CUSTOMER}", "user": USER})
        post(f"{self.admin}/v1/links", link, {"authorization": f"Bearer {TOKEN}"})


def post(url: str, body: str, headers: dict):
    request = urllib.request.Request(url, body.encode(), {"content-type": "application/json", **headers})
    urllib.request.urlopen(request).close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
