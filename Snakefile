# Darkroom: raw frames -> master bias -> master darks -> master flats -> calibrated lights.
from snakemake.utils import min_version

min_version("9.27")


include: "workflow/config.smk"


configfile: CONFIG_FILE  # an observer's own in the working directory, else the one beside this file


report: "workflow/report/workflow.rst"


include: "workflow/common.smk"
include: "workflow/rules/masters.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/lights.smk"
include: "workflow/rules/sky.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"


rule all:
    default_target: True
    input:
        all_targets,
    message:
        "all calibrated lights, and what belongs to them"


rule masters:
    input:
        in_results(NIGHTS.masters),
    message:
        "all masters, whether a light needs them or not"
