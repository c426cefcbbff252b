# In: raw lights and their masters.  Out: calibrated lights, in batches of one night, setup, filter and exposure.
# A batch's products have names of their own, so each batch is a rule.

for batch in NIGHTS.batches:
    if IS_JOB and not is_asked_of_job(f"calibrate_lights_{batch.id}"):
        continue

    rule:
        name:
            f"calibrate_lights_{batch.id}"
        input:
            recipe=in_results([batch.recipe])[0],
            frames=ancient(raw_frames_of(batch)),
            masters=masters_of(batch),
            certificates=certificates_of(batch),
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
            "../../scripts/calibrate_lights.py"
