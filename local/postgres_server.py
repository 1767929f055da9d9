"""The embedded Postgres: its cluster, its settings, and the account it runs as."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from local import artifacts
from local.errors import LocalError
from local.ports import LOCALHOST
from local.site import Site

FAST_SHUTDOWN = signal.SIGINT
"""Postgres waits for its clients on SIGTERM; on this it does not."""

UNPRIVILEGED = "nobody"
"""Postgres refuses to run as root, so there it runs as this account; else as whoever we are."""

SETTINGS = {
    "listen_addresses": LOCALHOST,
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "192MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Suited to a laptop that runs everything else as well."""


def folder(site: Site) -> Path:
    """Its own top folder: nothing above the cluster needs to belong to another account."""
    return site.data / "postgres"


def prepare(site: Site) -> None:
    """Make the cluster on the first start, with a generated password for the superuser."""
    place = folder(site)
    cluster = place / "cluster"
    if (cluster / "PG_VERSION").is_file():
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    password_file = place / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(site.passwords["POSTGRES_PASSWORD"])
    _give_away([place, password_file])
    _initialise(place / "unfinished", password_file)
    password_file.unlink()
    (place / "unfinished").rename(cluster)


def command(site: Site) -> list[str]:
    """The server's command line."""
    settings = {**SETTINGS, "port": str(site.ports.postgres)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [*_account_prefix(folder(site)), _program("postgres"), "-D", str(folder(site) / "cluster"), *options]


def _initialise(cluster: Path, password_file: Path) -> None:
    options = ["--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8"]
    options += ["--locale=C", "--no-instructions", "-D", str(cluster)]
    done = subprocess.run(
        [*_account_prefix(cluster), _program("initdb"), *options],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LocalError(
            f"initdb could not make the Postgres cluster in {cluster}: {(done.stderr or done.stdout).strip()}"
        )


def _program(name: str) -> str:
    return str(artifacts.ensure("postgres") / "bin" / name)


def _give_away(paths: Iterable[Path]) -> None:
    if _is_root():
        for path in paths:
            shutil.chown(path, UNPRIVILEGED)


def _account_prefix(place: Path) -> list[str]:
    """What to put before a command so that root runs it as the unprivileged account.

    The home or scratch folders of root are often closed to others (mode 700). Rather than open them, the server keeps
    one capability, to pass through folders; the secure bit lets initdb's own check of its files use it too.
    """
    if not _is_root():
        return []
    if not shutil.which("setpriv"):
        raise LocalError("Postgres refuses to run as root: use an ordinary account, or install setpriv (util-linux)")
    account = pwd.getpwnam(UNPRIVILEGED)
    prefix = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    if _is_open(place) and _is_open(artifacts.DEFAULT_ROOT):
        return prefix
    return [*prefix, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]


def _is_root() -> bool:
    return os.geteuid() == 0


def _is_open(place: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in place.absolute().parents)
