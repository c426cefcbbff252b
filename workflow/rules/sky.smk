# In: raw lights and their masters; calibrated lights.  Out: where the lights lie on the sky, stacks of them.

for batch in NIGHTS.solution_batches:
    if IS_JOB and not is_asked_of_job(f"solve_lights_{batch.id}"):
        continue

    rule:
        name:
            f"solve_lights_{batch.id}"
        input:
            recipe=in_results([batch.recipe])[0],
            frames=ancient(raw_frames_of(batch)),
            masters=masters_of(batch),
            certificates=certificates_of(batch),
        output:
            in_results(batch.products),
        log:
            in_results([batch.log])[0],
        conda:
            "../../envs/darkroom.yaml"
        resources:
            mem_mb=memory_mb_of(batch),
            runtime=minutes_of(batch),
        params:
            places=NIGHTS.solve,
        message:
            f"{RESULTS}/{batch.message}"
        script:
            "../../scripts/solve_lights.py"


rule stack_lights:
    input:
        recipe=recipe_file("stacks/{stack}"),
        lights=products_shown("stacks/{stack}"),
        needs=needs_of("stacks/{stack}"),
    output:
        f"{RESULTS}/{{night}}/{{setup}}/stacks/{{stack}}.fits",
    log:
        f"{RESULTS}/logs/stack_lights/{{night}}/{{setup}}/stacks/{{stack}}.log",
    conda:
        "../../envs/darkroom.yaml"
    resources:
        mem_mb=memory_mb("stacks/{stack}"),
        runtime=minutes("stacks/{stack}"),
    message:
        "{output}"
    script:
        "../../scripts/stack_lights.py"


# On request alone: snakemake results/2024-03-10/<setup>/stacks/raw/<name>.fits
rule stack_raws:
    input:
        stack=f"{RESULTS}/{{night}}/{{setup}}/stacks/{{stack}}.fits",
        frames=raw_frames("stacks/{stack}"),
        lights=products_shown("stacks/{stack}"),
    output:
        f"{RESULTS}/{{night}}/{{setup}}/stacks/raw/{{stack}}.fits",
    log:
        f"{RESULTS}/logs/stack_raws/{{night}}/{{setup}}/stacks/raw/{{stack}}.log",
    conda:
        "../../envs/darkroom.yaml"
    resources:
        mem_mb=memory_mb("stacks/{stack}"),
        runtime=minutes("stacks/{stack}"),
    message:
        "{output}"
    script:
        "../../scripts/stack_raws.py"


# On request alone: snakemake results/2024-03-10/<setup>/lights/<name>.head
rule write_head:
    input:
        product=f"{RESULTS}/{{night}}/{{setup}}/{{shared}}.fits",
    output:
        f"{RESULTS}/{{night}}/{{setup}}/{{shared}}.head",
    log:
        f"{RESULTS}/logs/write_head/{{night}}/{{setup}}/{{shared}}.head.log",
    conda:
        "../../envs/darkroom.yaml"
    message:
        "{output}"
    script:
        "../../scripts/write_head.py"
