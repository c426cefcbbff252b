"""Accounting for a cluster: a database and slurmdbd, which sacct asks."""

from __future__ import annotations

import secrets
import subprocess
from typing import TYPE_CHECKING

from tests.slurm.configuration import write_slurmdbd_conf

if TYPE_CHECKING:
    from tests.slurm.cluster import Cluster

USER = "slurm"  # of the database


def start_accounting(cluster: Cluster, port: int, database_port: int) -> None:
    """Start a database and slurmdbd, and tell it of the cluster and of an account; to be done before slurmctld asks."""
    password = secrets.token_hex(16)
    start_database(cluster, database_port, password)
    conf = cluster.folder / "slurmdbd.conf"
    conf.touch(0o600)
    conf.write_text(write_slurmdbd_conf(cluster.folder, cluster.user, port, database_port, password))
    cluster.start_daemon("slurmdbd", "slurmdbd", "-D")
    cluster.wait_for(lambda: answers(cluster, "sacctmgr", "-n", "list", "cluster"), "slurmdbd")
    for added in (["cluster", "darkroom"], ["account", "astro"], ["user", cluster.user, "account=astro"]):
        cluster.ask("sacctmgr", "-i", "add", *added)


def start_database(cluster: Cluster, port: int, password: str) -> None:
    """Start a database with a user for slurmdbd, who finds it at a port of loopback."""
    folder = cluster.folder / "mysql"
    own = ["--no-defaults", f"--user={cluster.user}", f"--datadir={folder}"]
    make = ["mariadb-install-db", *own, "--skip-test-db", "--auth-root-authentication-method=normal"]
    subprocess.run(make, check=True, env=cluster.own, stdout=subprocess.DEVNULL, timeout=120)
    small = ["--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"]  # slurmdbd asks for so long a wait
    where = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder}.socket", f"--pid-file={folder}.pid"]
    cluster.start_daemon("mariadbd", "mariadbd", *own, *where, *small)
    client = ["mariadb", "--no-defaults", "-uroot", f"--socket={folder}.socket", "-e"]
    cluster.wait_for(lambda: answers(cluster, *client, "select 1"), "the database")
    orders = ["create database slurm_acct"]
    for host in ("127.0.0.1", "localhost"):
        orders.append(f"create user {USER}@'{host}' identified by '{password}'")
        orders.append(f"grant all on slurm_acct.* to {USER}@'{host}'")
    cluster.ask(*client, "; ".join(orders))


def answers(cluster: Cluster, *command: str) -> bool:
    """Whether a command ends well."""
    done = subprocess.run(command, env=cluster.environment, capture_output=True, timeout=30)
    return done.returncode == 0
