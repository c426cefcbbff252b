# In: the plan that was written while parsing.  Out: the plan on the terminal.


rule plan:
    input:
        *in_results(["plan.txt"]),
    log:
        f"{RESULTS}/logs/plan.log",
    localrule: True
    conda:
        "../../envs/darkroom.yaml"
    shell:
        "cat {input:q} 2> {log:q}"
