"""Whether the real solvers are here, and Debian's, installed where they are missing."""

import shutil

from darkroom.solving.star_indexes import find_indexes
from tests import debian

PACKAGES = "astrometry.net", "astrometry-data-tycho2", "astap-cli"
PROGRAMS, ASTAP = ("solve-field", "query-starkd"), "astap_cli"
ADVICE = debian.advise(PACKAGES)
LIMIT = 1200  # s; the indexes are 300 MB


def list_missing() -> list[str]:
    """Return what no test can do without and is not there; some need ASTAP besides."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return missing if any(index.low < 30 for index in find_indexes()) else [*missing, "indexes of Tycho-2"]


def find_obstacle() -> str:
    """Return why no real solver can be tested here; nothing if it can."""
    missing = list_missing()
    return f"{', '.join(missing)}: not installed ({ADVICE})" if missing else ""


def find_obstacle_to_astap() -> str:
    """Return why ASTAP cannot be tested here; nothing if it can."""
    return find_obstacle() or ("" if shutil.which(ASTAP) else f"{ASTAP}: not installed ({ADVICE})")


def install() -> str:
    """Install Debian's packages if something is missing and this is root; return why they could not be, or nothing."""
    missing = list_missing() + ([] if shutil.which(ASTAP) else [ASTAP])
    return debian.install(PACKAGES, missing, "the solvers", LIMIT) if missing else ""
