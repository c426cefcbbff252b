"""Whatever stands in config.yaml, it is completed or every problem is said in a line of its own."""

from hypothesis import given
from hypothesis import strategies as st

from darkroom.settings import SettingsError, check_settings, read_schema

TEXTS = st.text(max_size=20) | st.sampled_from(["[1:5,1:9]", "median", "minmax", "{kind}/{filter}", "skip", "\n", ""])
NUMBERS = st.integers(-10, 10**20) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.integers(), inner, max_size=3),
    max_leaves=4,
)


def configs(schema, misfits):
    """Objects with keys of the schema; their values are such as fit, or may be anything."""
    keys = {"bais": VALUES} if misfits else {}
    for key, part in schema["properties"].items():
        if "properties" in part:
            keys[key] = configs(part, misfits)
        else:
            keys[key] = st.sampled_from(part["enum"]) if "enum" in part else st.just(part.get("default", []))
        keys[key] |= VALUES if misfits else st.nothing()
    return st.fixed_dictionaries({}, optional=keys)


@given(configs(read_schema(), misfits=True) | configs(read_schema(), misfits=False))
def test_any_config_is_completed_or_its_problems_are_listed(config):
    try:
        settings = check_settings(config)
    except SettingsError as error:
        problems = error.problems
    else:
        problems = []
        assert set(settings) == set(read_schema()["properties"])
        assert settings["flat"]["combine"]["method"] in ("mean", "median")
        assert type(settings["lights_per_job"]) is int
        assert check_settings(settings) == settings, "what is complete stays as it is"
    for problem in problems:
        assert problem.startswith("config.yaml: ")
        assert len(problem.splitlines()) == 1
        assert len(problem) < 500
