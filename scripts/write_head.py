"""Write the coordinates of a solved light or stack for SExtractor, SCAMP and SWarp, in a text file beside it."""

from darkroom.warm import hand_over

hand_over()

from pathlib import Path

from darkroom.job import report_to
from darkroom.problems import JobProblem
from darkroom.solving.tpv_head import write_head

with report_to(snakemake.log[0]):
    try:
        write_head(Path(snakemake.input.product))
    except (OSError, ValueError) as problem:
        raise JobProblem(f"{snakemake.input.product}: {problem}") from None
