"""What the page of a night tells of the plan."""

import json

from darkroom.planned import read_recipe_file
from darkroom.prepare import prepare
from darkroom.settings import check_settings
from tests.unit.builders import write_raw


def test_settings_of_a_page_are_those_of_config_yaml(tmp_path):
    """Where this machine has its indexes, and what it has to solve with, are not: another one makes the same page."""
    for number in range(3):
        write_raw(tmp_path / "raw" / f"bias_{number}.fits", "bias", 0.0, time=f"2024-03-10T20:0{number}:00")
    config = {"raw": str(tmp_path / "raw"), "results": str(tmp_path / "results")}
    solve = {"use": True, "scale": [0.5, 0.7], "indexes": [str(tmp_path / "indexes")]}
    prepared = prepare(config | {"solve": solve})
    (page,) = (job for job in prepared.jobs.values() if job.kind == "make_report")
    told = read_recipe_file(str(tmp_path / "results" / page.recipe))["night"]["settings"]
    assert check_settings(told)["solve"]["scale"] == [0.5, 0.7]
    assert str(tmp_path) not in json.dumps(told)
