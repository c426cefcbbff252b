"""The stacks of a real night: M13 in four filters, with a light through clouds."""

import numpy as np
from astropy.io import fits

from tests.real.test_real_nights import pytestmark as pytestmark  # slow, and only where the frames are
from tests.real.test_real_nights import reduce_night, verify_all


def test_lights_of_a_cluster_are_put_on_each_other(tmp_path):
    results = reduce_night(tmp_path, "arcsat-m13", "stacks: {use: true}\n")
    stacks = {path.stem: path for path in results.glob("*/*/stacks/*.fits")}
    assert set(stacks) == {"M13_sdss_g_120s", "M13_sdss_i_120s", "M13_sdss_r_120s", "M13_sdss_z_160s"}
    left_out = {}
    for path in stacks.values():
        with fits.open(path) as hdus:
            table, covered = hdus["LIGHTS"].data, hdus["COVERAGE"].data == hdus[0].header["LIVETIME"]
            left_out |= {row["light"][-11:]: row["reason"] for row in table if not row["used"]}
            used = table[table["used"]]
            assert (used["rms"] < 0.3).all()
            assert (used["matched"] > 100).all()
            assert np.isfinite(hdus[0].data[covered]).all()
            assert covered.mean() > 0.8
            assert hdus["REJECTED"].data[covered].mean() < 0.01
            noise = np.median(hdus["UNCERT"].data[:60, :60][covered[:60, :60]])
            alone = np.sqrt(1 / np.sum(1 / (used["noise"] * used["scale"]) ** 2))
            assert 0.6 < noise / alone < 1.1  # a pixel by itself has less, as neighbours share it
    assert list(left_out) == ["091030.fits"]
    assert left_out["091030.fits"].startswith("clouds: ")
    verify_all(results)
