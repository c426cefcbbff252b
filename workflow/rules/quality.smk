# In: raw frames and masters.  Out: what the detector does, whether each master may be used, which pixels may not.


rule measure_detector:
    input:
        recipe=recipe_file("{quantity}"),
        frames=ancient(raw_frames("{quantity}")),
    output:
        f"{RESULTS}/{{night}}/{{setup}}/{{quantity}}.json",
    log:
        f"{RESULTS}/logs/measure_detector/{{night}}/{{setup}}/{{quantity}}.log",
    group:
        group_of("{quantity}")
    conda:
        "../../envs/darkroom.yaml"
    resources:
        mem_mb=memory_mb("{quantity}"),
        runtime=minutes("{quantity}"),
    message:
        "{output}"
    script:
        "../../scripts/measure_detector.py"


rule certify_master:
    input:
        recipe=recipe_file("certificates/{master}"),
        frames=ancient(raw_frames("certificates/{master}")),
        masters=masters_used("certificates/{master}"),
    output:
        f"{RESULTS}/{{night}}/{{setup}}/certificates/{{master}}.json",
    log:
        f"{RESULTS}/logs/certify_master/{{night}}/{{setup}}/certificates/{{master}}.log",
    group:
        group_of("certificates/{master}")
    conda:
        "../../envs/darkroom.yaml"
    threads: threads_for("certificates/{master}")
    resources:
        mem_mb=memory_mb("certificates/{master}"),
        runtime=minutes("certificates/{master}"),
    params:
        warn_only=NIGHTS.if_failed == "warn",
    message:
        "{output}"
    script:
        "../../scripts/certify_master.py"


rule collect_bad_pixels:
    input:
        recipe=recipe_file("bad_pixels"),
        masters=masters_used("bad_pixels"),
        certificates=certificates_of_used("bad_pixels"),
    output:
        f"{RESULTS}/{{night}}/{{setup}}/bad_pixels.fits",
    log:
        f"{RESULTS}/logs/collect_bad_pixels/{{night}}/{{setup}}/bad_pixels.log",
    priority: 1  # before the lights, beside which there is nothing else to do at the end
    group:
        group_of("bad_pixels")
    conda:
        "../../envs/darkroom.yaml"
    resources:
        mem_mb=memory_mb("bad_pixels"),
        runtime=minutes("bad_pixels"),
    message:
        "{output}"
    script:
        "../../scripts/collect_bad_pixels.py"
