"""What a cluster of virtual nodes on one machine is told: slurm.conf, slurmdbd.conf, and wrappers of the commands."""

from dataclasses import dataclass
from pathlib import Path

CLIENTS = "sbatch", "squeue", "scancel", "sacct", "sacctmgr", "sinfo", "srun", "scontrol", "sshare", "sstat"


@dataclass(frozen=True)
class Knobs:
    """What may differ between clusters.

    Nodes are as large as they are said to be, whatever the machine has: `cpus`, and `memory` in MB. `accounting`
    adds slurmdbd and a database; `memory_kills` ends jobs that take more than they asked for (nothing else here does).
    `keeps_jobs` is for how long in s squeue tells of jobs that ended, `node_timeout` after how many s without a word
    a node is down.
    """

    nodes: int = 2
    cpus: int = 4
    memory: int = 8000
    accounting: bool = False
    memory_kills: bool = False
    keeps_jobs: int = 3600
    node_timeout: int = 20

    @property
    def names(self) -> list[str]:
        """The names of the nodes."""
        return [f"n{number}" for number in range(1, self.nodes + 1)]


def write_slurm_conf(folder: Path, knobs: Knobs, user: str, ports: list[int]) -> str:
    """Return slurm.conf; `ports` are those of slurmctld, slurmdbd and each node.

    Jobs are found by their process ids and held to nothing: a container has no cgroups of its own to give away. A job
    whose node was lost is queued again at once, not after the two minutes that credentials live by default.
    """
    control, accounts, *nodes = ports
    lines = f"""
ClusterName=darkroom
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={control}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/spool/slurmctld.pid
SlurmdPidFile={folder}/spool/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout={knobs.node_timeout}
SlurmctldTimeout=20
KillWait=2
MinJobAge={knobs.keeps_jobs}
WaitTime=0
DefMemPerCPU=100
PropagateResourceLimits=NONE
""".strip().splitlines()
    if knobs.memory_kills:  # looks at each job each second, what is shared shared out among those who do
        lines += ["JobAcctGatherType=jobacct_gather/linux", "JobAcctGatherFrequency=task=1"]
        lines += ["JobAcctGatherParams=OverMemoryKill,UsePss"]
    elif knobs.accounting:
        lines += ["JobAcctGatherType=jobacct_gather/linux", "JobAcctGatherFrequency=task=30"]
    else:
        lines += ["JobAcctGatherType=jobacct_gather/none"]
    if knobs.accounting:
        lines += [
            "AccountingStorageType=accounting_storage/slurmdbd",
            "AccountingStorageHost=127.0.0.1",
            f"AccountingStoragePort={accounts}",
            f"AccountingStoragePass={folder}/munge/socket",
        ]
    else:
        lines.append("AccountingStorageType=accounting_storage/none")
    for name, port in zip(knobs.names, nodes, strict=True):
        lines.append(
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} "
            f"CPUs={knobs.cpus} RealMemory={knobs.memory} State=UNKNOWN"
        )
    lines.append("PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP")
    return "\n".join(lines) + "\n"


def write_slurmdbd_conf(folder: Path, user: str, port: int, database_port: int, password: str) -> str:
    """Return slurmdbd.conf, which holds the password of the database."""
    return f"""AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
PidFile={folder}/spool/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct
CommunicationParameters=NoInAddrAny
"""


def write_wrapper(folder: Path, client: str) -> str:
    """Return a shell script that asks this cluster, whatever the environment says.

    Snakemake's plugin takes SLURM_CONF away from the srun of a job, so the wrappers come first in PATH.
    """
    return f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec /usr/bin/{client} "$@"\n'
