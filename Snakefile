# Darkroom: raw frames -> master bias -> master darks -> master flats -> calibrated lights.
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


# an observer's own config.yaml in the working directory comes first, else the one beside this file
configfile: "config.yaml" if Path("config.yaml").exists() else f"{workflow.basedir}/config.yaml"


include: "workflow/common.smk"
include: "workflow/rules/masters.smk"
include: "workflow/rules/lights.smk"
include: "workflow/rules/plan.smk"


rule all:
    default_target: True
    input:
        all_lights,
    message:
        "all calibrated lights"


rule masters:
    input:
        in_results(NIGHTS.masters),
    message:
        "all masters, whether a light needs them or not"
