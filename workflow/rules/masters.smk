# In: raw bias, dark and flat frames.  Out: one master a night, setup and (dark) exposure or (flat) filter.
# A job is stale when its recipe is; raw frames are ancient(), so their time stamps decide nothing.


rule make_master_bias:
    input:
        recipe=recipe_file("master_bias"),
        frames=ancient(raw_frames("master_bias")),
        masters=masters_used("master_bias"),
    output:
        f"{RESULTS}/{{night}}/{{setup}}/master_bias.fits",
    log:
        f"{RESULTS}/logs/make_master_bias/{{night}}/{{setup}}/master_bias.log",
    group:
        group_of("master_bias")
    conda:
        "../../envs/darkroom.yaml"
    threads: threads_for("master_bias")
    resources:
        mem_mb=memory_mb("master_bias"),
        runtime=minutes("master_bias"),
    message:
        "{output}"
    script:
        "../../scripts/make_master_bias.py"


rule make_master_dark:
    input:
        recipe=recipe_file("master_dark_{exposure}"),
        frames=ancient(raw_frames("master_dark_{exposure}")),
        masters=masters_used("master_dark_{exposure}"),
        certificates=certificates_of_used("master_dark_{exposure}"),
    output:
        f"{RESULTS}/{{night}}/{{setup}}/master_dark_{{exposure}}.fits",
    log:
        f"{RESULTS}/logs/make_master_dark/{{night}}/{{setup}}/master_dark_{{exposure}}.log",
    group:
        group_of("master_dark_{exposure}")
    conda:
        "../../envs/darkroom.yaml"
    threads: threads_for("master_dark_{exposure}")
    resources:
        mem_mb=memory_mb("master_dark_{exposure}"),
        runtime=minutes("master_dark_{exposure}"),
    message:
        "{output}"
    script:
        "../../scripts/make_master_dark.py"


rule make_master_flat:
    input:
        recipe=recipe_file("master_flat_{filter}"),
        frames=ancient(raw_frames("master_flat_{filter}")),
        masters=masters_used("master_flat_{filter}"),
        certificates=certificates_of_used("master_flat_{filter}"),
    output:
        f"{RESULTS}/{{night}}/{{setup}}/master_flat_{{filter}}.fits",
    log:
        f"{RESULTS}/logs/make_master_flat/{{night}}/{{setup}}/master_flat_{{filter}}.log",
    group:
        group_of("master_flat_{filter}")
    conda:
        "../../envs/darkroom.yaml"
    threads: threads_for("master_flat_{filter}")
    resources:
        mem_mb=memory_mb("master_flat_{filter}"),
        runtime=minutes("master_flat_{filter}"),
    message:
        "{output}"
    script:
        "../../scripts/make_master_flat.py"
