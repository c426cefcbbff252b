"""Snakemake's plugin for Slurm, which asks how jobs are doing each second: it waits 40 s and more of its own accord."""

import snakemake_executor_plugin_slurm
from snakemake_executor_plugin_slurm import ExecutorSettings, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]


class Executor(snakemake_executor_plugin_slurm.Executor):
    @property
    def next_seconds_between_status_checks(self) -> float:
        return 1.0

    @next_seconds_between_status_checks.setter
    def next_seconds_between_status_checks(self, value: float) -> None:
        pass
