"""How planning and Snakemake bear many frames: ``python -m tests.scale``, by ``make bench-scale``."""
