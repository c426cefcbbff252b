# In: lights, masters, their figures.  Out: previews beside them, pairs of before and after, the pages of nights.

for batch in NIGHTS.preview_batches:
    if IS_JOB and not is_asked_of_job(f"preview_lights_{batch.id}"):
        continue

    rule:
        name:
            f"preview_lights_{batch.id}"
        input:
            recipe=in_results([batch.recipe])[0],
            products=lights_shown(batch),
            needs=needs_of_batch(batch),
        output:
            in_results(batch.products),
        log:
            in_results([batch.log])[0],
        group:
            group_of_batch(batch)
        conda:
            "../../envs/darkroom.yaml"
        resources:
            mem_mb=memory_mb_of(batch),
            runtime=minutes_of(batch),
        message:
            f"{RESULTS}/{batch.message}"
        script:
            "../../scripts/preview_lights.py"


rule preview_master:
    input:
        recipe=recipe_file("{master}.png"),
        products=products_shown("{master}.png"),
        needs=needs_of("{master}.png"),
    output:
        report(
            f"{RESULTS}/{{night}}/{{setup}}/{{master}}.png",
            caption="../report/master.rst",
            category="Masters",
            subcategory="{night}",
            labels={"setup": "{setup}", "master": "{master}"},
        ),
    log:
        f"{RESULTS}/logs/preview_master/{{night}}/{{setup}}/{{master}}.png.log",
    group:
        group_of("{master}.png")
    conda:
        "../../envs/darkroom.yaml"
    resources:
        mem_mb=memory_mb("{master}.png"),
        runtime=minutes("{master}.png"),
    params:
        title=NIGHTS.title,
        stretch=NIGHTS.stretch,
    message:
        "{output}"
    script:
        "../../scripts/preview_master.py"


rule compare_pair:
    input:
        recipe=recipe_file("pairs/{pair}.png"),
        frames=ancient(raw_frames("pairs/{pair}.png")),
        products=products_shown("pairs/{pair}.png"),
        needs=needs_of("pairs/{pair}.png"),
    output:
        report(
            f"{RESULTS}/{{night}}/{{setup}}/pairs/{{pair}}.png",
            caption="../report/pair.rst",
            category="Before and after",
            subcategory="{night}",
            labels={"setup": "{setup}", "pair": "{pair}"},
        ),
    log:
        f"{RESULTS}/logs/compare_pair/{{night}}/{{setup}}/pairs/{{pair}}.png.log",
    group:
        group_of("pairs/{pair}.png")
    conda:
        "../../envs/darkroom.yaml"
    resources:
        mem_mb=memory_mb("pairs/{pair}.png"),
        runtime=minutes("pairs/{pair}.png"),
    params:
        title=NIGHTS.title,
        stretch=NIGHTS.stretch,
    message:
        "{output}"
    script:
        "../../scripts/compare_pair.py"


rule make_report:
    input:
        recipe=page_recipe,
        needs=page_needs,
    output:
        page=report(
            f"{RESULTS}/{{night}}/report.html",
            caption="../report/night.rst",
            category="Nights",
            labels={"night": "{night}", "what": "report"},
        ),
        table=report(
            f"{RESULTS}/{{night}}/lights.csv",
            caption="../report/lights.rst",
            category="Nights",
            labels={"night": "{night}", "what": "table of lights"},
        ),
    log:
        f"{RESULTS}/logs/make_report/{{night}}/report.html.log",
    localrule: True  # three seconds, which a cluster takes to begin a job
    conda:
        "../../envs/darkroom.yaml"
    resources:
        mem_mb=page_memory_mb,
        runtime=page_minutes,
    params:
        title=NIGHTS.title,
    message:
        "{output.page}"
    script:
        "../../scripts/make_report.py"


rule make_trends:
    input:
        recipe=page_recipe,
        needs=page_needs,
    output:
        report(
            f"{RESULTS}/trends.html",
            caption="../report/trends.rst",
            category="Trends",
            labels={"what": "all nights"},
        ),
    log:
        f"{RESULTS}/logs/make_trends/trends.html.log",
    localrule: True  # three seconds, which a cluster takes to begin a job
    conda:
        "../../envs/darkroom.yaml"
    resources:
        mem_mb=page_memory_mb,
        runtime=page_minutes,
    params:
        title=NIGHTS.title,
    message:
        "{output}"
    script:
        "../../scripts/make_trends.py"


# On request alone: snakemake results/2024-03-10/<setup>/lights/<name>.jpg
rule share_light:
    input:
        product=f"{RESULTS}/{{night}}/{{setup}}/{{shared}}.fits",
    output:
        f"{RESULTS}/{{night}}/{{setup}}/{{shared}}.jpg",
    log:
        f"{RESULTS}/logs/share_light/{{night}}/{{setup}}/{{shared}}.jpg.log",
    conda:
        "../../envs/darkroom.yaml"
    params:
        stretch="asinh",
    message:
        "{output}"
    script:
        "../../scripts/share_light.py"
