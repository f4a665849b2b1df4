"""postgres/roles.sql, on a throw-away PostgreSQL: its two users suffice for every process, and no more than that."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from files import SECRETS, Process, Tree
from processes import Home, Running, ask, free_ports
from report import Report

# PostgreSQL refuses to run as root
NOBODY = 65534
# what `serve` does; a number that counts up by itself needs no right of its own
NEEDED = [
    "INSERT INTO parked (kind, account, subject, reason, hint, since) VALUES ('a', 'b', 'c', 'd', 'e', 0)",
    "UPDATE parked SET hint = 'f'",
    "DELETE FROM parked",
    "NOTIFY grantsync",
]
REFUSED = "42501"
# what only the owner may do
FORBIDDEN = [
    "CREATE TABLE more (id INTEGER)",
    "DROP TABLE daemon_state",
    "ALTER TABLE inbox ADD more TEXT",
    "TRUNCATE ledger",
    "CREATE SCHEMA more",
    "CREATE ROLE more",
]


def check(tree: Tree, report: Report, deployed: list[Process], binary: Path | None, wanted: bool) -> None:
    what = "postgres/roles.sql: its users suffice for every process, and are no more than that"
    if not wanted or binary is None:
        return report.not_checked(what, "`--postgres` and `--binary` were not both given")
    found = [shutil.which("initdb"), *Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    programs = next((Path(initdb).resolve().parent for initdb in found if initdb), None)
    if programs is None:
        return report.failed(what, "`--postgres` was given, and no PostgreSQL is installed here")
    with tempfile.TemporaryDirectory(prefix="grantsync-postgres-") as folder, report.rule(what) as faults:
        Path(folder).chmod(0o755)
        with Server(programs, Path(folder)) as server:
            faults += server.trouble or users(tree, server, deployed, binary)
    return None


def users(tree: Tree, server: "Server", deployed: list[Process], binary: Path) -> list[str]:
    urls = {"database_url": server.url("grantsync"), "migrate_database_url": server.url("grantsync_owner")}
    for name, url in urls.items():
        (server.folder / name).write_text(f"{url}\n")
    script = server.folder / "roles.sql"
    script.write_text(tree.text("postgres", "roles.sql").replace(SECRETS, str(server.folder)))
    made = server.psql("postgres", ["-f", script])
    if made.returncode:
        return [made.stderr.strip()]
    faults = migrate(binary, urls["migrate_database_url"], f"sqlite:{server.folder / 'grantsync.db'}")
    if faults:
        return faults
    faults += serve(deployed, binary, urls["database_url"])
    for statement in NEEDED:
        done = server.psql(urls["database_url"], ["-c", statement])
        faults += [f"grantsync may not `{statement}`"] if done.returncode else []
    for statement in FORBIDDEN:
        done = server.psql(urls["database_url"], ["-c", statement])
        faults += [] if REFUSED in done.stderr else [f"grantsync is not refused `{statement}`: {done.stderr.strip() or 'done'}"]
    return faults


def migrate(binary: Path, url: str, former: str) -> list[str]:
    """As the owner: the move from one machine, and then as at every upgrade."""
    for database, args in ((former, []), (url, ["--from", former]), (url, [])):
        told = ask(binary, ["migrate", *args], {"GRANTSYNC__DATABASE__URL": database})
        if told.returncode:
            return [f"`{' '.join(['migrate', *args])}` as the owner: {told.stderr.strip()}"]
    return []


def serve(deployed: list[Process], binary: Path, url: str) -> list[str]:
    faults = []
    for process in deployed:
        if process.half in ("ingest", "work") and process.where.startswith("compose"):
            with Home(process) as home:
                (home.folder / "database_url").write_text(f"{url}\n")
                with Running(binary, home) as running:
                    faults += [] if running.is_ready() else [f"{process.where}: {running.log()}"]
                    faults += running.stop() if not faults else []
    return faults


class Server:
    """A PostgreSQL in a directory of its own, on loopback with passwords."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder, self.data = programs, folder, folder / "data"
        self.port = free_ports(1)[0]
        self.trouble: list[str] = []
        self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

    def __enter__(self) -> "Server":
        if self.user:
            os.chown(self.folder, NOBODY, NOBODY)
        self.run("initdb", "-D", self.data, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-N")
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", self.data, "-o", options, "-l", self.folder / "log", "-w", "start")
        return self

    def __exit__(self, *_: object) -> None:
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def run(self, program: str, *args: object) -> None:
        # an open pipe would keep this waiting for as long as the server runs
        with (self.folder / f"{program}.log").open("w+") as told:
            command = [self.programs / program, *args]
            ended = subprocess.run(command, stdout=told, stderr=told, cwd=self.folder, **self.user)
            if ended.returncode:
                told.seek(0)
                self.trouble.append(f"{program}: {told.read()[-300:]}")

    def psql(self, database: str, args: list) -> subprocess.CompletedProcess:
        """As the administrator over the socket, or as whoever the address names."""
        own = (
            ["-d", database]
            if "://" in database
            else ["-h", self.folder, "-p", str(self.port), "-U", "postgres", "-d", database]
        )
        command = [self.programs / "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", *own, *args]
        return subprocess.run(command, capture_output=True, text=True)

    def url(self, user: str) -> str:
        return f"postgres://{user}:of{user.replace('_', '')}@127.0.0.1:{self.port}/grantsync"
