"""The same examples in every run: a failure is due to what changed, and no run is slow by chance."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("steady")
