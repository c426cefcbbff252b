# In: raw bias, dark and flat frames.  Out: one master a night, setup and (dark) exposure or (flat) filter.
# A job is stale when its recipe is; raw frames and masters are ancient(), so their time stamps decide nothing.


rule make_master_bias:
    message:
        "{output}"
    input:
        recipe=RESULTS + "/.recipes/{night}/{setup}/master_bias.json",
        frames=ancient(raw_frames("master_bias")),
    output:
        RESULTS + "/{night}/{setup}/master_bias.fits",
    log:
        RESULTS + "/logs/make_master_bias/{night}/{setup}/master_bias.log",
    benchmark:
        RESULTS + "/benchmarks/make_master_bias/{night}/{setup}/master_bias.tsv"
    resources:
        mem_mb=memory_mb("master_bias"),
    conda:
        "../../envs/darkroom.yaml"
    script:
        "../../scripts/make_master_bias.py"


rule make_master_dark:
    message:
        "{output}"
    input:
        recipe=RESULTS + "/.recipes/{night}/{setup}/master_dark_{exposure}.json",
        frames=ancient(raw_frames("master_dark_{exposure}")),
        masters=ancient(masters_used("master_dark_{exposure}")),
    output:
        RESULTS + "/{night}/{setup}/master_dark_{exposure}.fits",
    params:
        results=NIGHTS.results,
    log:
        RESULTS + "/logs/make_master_dark/{night}/{setup}/master_dark_{exposure}.log",
    benchmark:
        RESULTS + "/benchmarks/make_master_dark/{night}/{setup}/master_dark_{exposure}.tsv"
    resources:
        mem_mb=memory_mb("master_dark_{exposure}"),
    conda:
        "../../envs/darkroom.yaml"
    script:
        "../../scripts/make_master_dark.py"


rule make_master_flat:
    message:
        "{output}"
    input:
        recipe=RESULTS + "/.recipes/{night}/{setup}/master_flat_{filter}.json",
        frames=ancient(raw_frames("master_flat_{filter}")),
        masters=ancient(masters_used("master_flat_{filter}")),
    output:
        RESULTS + "/{night}/{setup}/master_flat_{filter}.fits",
    params:
        results=NIGHTS.results,
    log:
        RESULTS + "/logs/make_master_flat/{night}/{setup}/master_flat_{filter}.log",
    benchmark:
        RESULTS + "/benchmarks/make_master_flat/{night}/{setup}/master_flat_{filter}.tsv"
    resources:
        mem_mb=memory_mb("master_flat_{filter}"),
    conda:
        "../../envs/darkroom.yaml"
    script:
        "../../scripts/make_master_flat.py"
