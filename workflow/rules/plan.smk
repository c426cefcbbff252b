# In: the plan that was written while parsing.  Out: the plan on the terminal.


rule plan:
    input:
        *in_results(["plan.txt"]),
    log:
        RESULTS + "/logs/plan.log",
    conda:
        "../../envs/darkroom.yaml"
    localrule: True
    shell:
        "cat {input:q} 2> {log:q}"
