# In: raw lights and their masters.  Out: calibrated lights, in batches of one night, setup, filter and exposure.
# A batch's products have names of their own, so each batch is a rule. update() leaves what is up to date in place.

for batch in NIGHTS.batches:

    rule:
        name:
            f"calibrate_lights_{batch.id}"
        input:
            recipe=in_results([batch.recipe])[0],
            frames=ancient(raw_frames_of(batch)),
            masters=masters_of(batch),
            certificates=certificates_of(batch),
        output:
            update(in_results(batch.products)),
        log:
            in_results([batch.log])[0],
        conda:
            "../../envs/darkroom.yaml"
        resources:
            mem_mb=estimate_memory_mb(batch, 1, NIGHTS.cosmic_rays),
        message:
            f"{RESULTS}/{batch.message}"
        script:
            "../../scripts/calibrate_lights.py"
