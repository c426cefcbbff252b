"""Settings: defaults at every depth, config.yaml in step with the schema, and every problem said in one line."""

from pathlib import Path

import pytest
import yaml

from darkroom.settings import SettingsError, check_settings

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config.yaml"
SCHEMA = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())


def leaves(schema, path=()):
    """Every setting of the schema with its part of it, at every depth."""
    for key, part in schema["properties"].items():
        if "properties" in part and (*path, key) not in [("headers", kinds) for kinds in ("words", "folders", "names")]:
            yield from leaves(part, (*path, key))
        else:
            yield (*path, key), part


def look_up(settings, path):
    for key in path:
        settings = settings[key]
    return settings


def problems_of(config):
    with pytest.raises(SettingsError) as caught:
        check_settings(config)
    assert str(caught.value).splitlines() == caught.value.problems
    return caught.value.problems


def keys_of(settings, path=()):
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from keys_of(value, (*path, key))
        else:
            yield (*path, key)


def test_empty_settings_get_every_default():
    settings = check_settings({})
    # a few by hand, at depths one to three
    assert settings["raw"] == "raw"
    assert settings["lights_per_job"] == 48
    assert settings["site"] == {"longitude": None, "night_offset_hours": None}
    assert settings["dark"]["exposure_tolerance"] == 0.5
    assert settings["flat"]["combine"] == {"method": "mean", "reject": "sigma", "sigma": 5.0, "low": 1, "high": 1}
    assert settings["lights"]["cosmic_rays"]["contrast"] == 4.5
    for path, part in leaves(SCHEMA):
        assert look_up(settings, path) == part["default"], path


def test_what_is_given_stays_and_its_neighbours_get_defaults():
    settings = check_settings({"bias": {"combine": {"sigma": 4}}, "lights": {"cosmic_rays": {"use": True}}})
    assert settings["bias"]["combine"] == {"method": "mean", "reject": "sigma", "sigma": 4, "low": 1, "high": 1}
    assert settings["bias"]["use"] is True
    assert settings["dark"]["combine"]["sigma"] == 5.0
    assert settings["lights"]["cosmic_rays"]["use"] is True
    assert settings["lights"]["cosmic_rays"]["sigma"] == 4.8


def test_defaults_of_one_call_do_not_leak_into_the_next():
    check_settings({})["bias"]["combine"]["sigma"] = 99
    check_settings({})["exclude"].append("everything")
    check_settings({})["headers"]["cards"]["filter"] = ["MYFILTER"]
    settings = check_settings({})
    assert settings["bias"]["combine"]["sigma"] == 5.0
    assert settings["exclude"] == []
    assert settings["headers"]["cards"] == {}


def test_the_config_that_was_given_is_not_changed():
    config = {"bias": {"combine": {"sigma": 4}}}
    check_settings(config)
    assert config == {"bias": {"combine": {"sigma": 4}}}


def test_config_yaml_says_the_schema_defaults_key_for_key():
    config = yaml.safe_load(CONFIG.read_text())
    expected = {path: part["default"] for path, part in leaves(SCHEMA)}
    assert {path: look_up(config, path) for path in keys_of(config)} == expected
    assert all(type(look_up(config, path)) is type(value) for path, value in expected.items()), (
        "0 where the schema says 0.0, or the other way round"
    )


def test_every_setting_is_explained_in_the_schema_or_in_config_yaml():
    commented, indents = set(), []
    for line in CONFIG.read_text().splitlines():
        code, _, comment = line.partition("#")
        if not code.strip():
            continue
        depth = (len(code) - len(code.lstrip())) // 2
        indents = [*indents[:depth], code.split(":")[0].strip()]
        if comment.strip():
            commented.add(tuple(indents))
    assert ("bias", "combine", "sigma") in commented, "the comments of config.yaml were not found"
    assert [path for path, part in leaves(SCHEMA) if "description" not in part and path not in commented] == []


def test_the_schema_is_closed_at_every_depth():
    def objects(part):
        if "properties" in part:
            yield part
            for child in part["properties"].values():
                yield from objects(child)

    found = list(objects(SCHEMA))
    assert len(found) > 10
    assert all(part["additionalProperties"] is False for part in found)


@pytest.mark.parametrize(
    ("config", "start", "hint"),
    [
        ({"bais": {}}, "config.yaml: bais: unknown key", "did you mean 'bias'?"),
        ({"bias": {"combine": {"sgima": 3}}}, "config.yaml: bias.combine.sgima: unknown key", "did you mean 'sigma'?"),
        ({"site": {"longtitude": 3}}, "config.yaml: site.longtitude: unknown key", "did you mean 'longitude'?"),
        ({"site": {"qqq": 3}}, "config.yaml: site.qqq: unknown key", "known here: longitude, night_offset_hours"),
        ({"lights": {"cosmic_rays": {"sigmas": 1}}}, "config.yaml: lights.cosmic_rays.sigmas", "'sigma'?"),
    ],
)
def test_unknown_key_is_named_with_what_was_meant(config, start, hint):
    (problem,) = problems_of(config)
    assert problem.startswith(start)
    assert problem.endswith(hint)


@pytest.mark.parametrize(
    ("config", "where", "what"),
    [
        ({"raw": 5.5}, "raw", "5.5 is not text or a list"),
        ({"raw": ["a", 5.5]}, "raw.1", "5.5 is not text"),
        ({"site": None}, "site", "nothing is not a block of keys"),
        ({"site": {"longitude": "105 W"}}, "site.longitude", "'105 W' is not a number or null"),
        ({"site": {"longitude": 361}}, "site.longitude", "361 is more than 360"),
        ({"site": {"longitude": -181}}, "site.longitude", "-181 is less than -180"),
        ({"site": {"longitude": float("nan")}}, "site.longitude", "nan is not a number or null"),
        ({"bias": {"use": "perhaps"}}, "bias.use", "'perhaps' is not true or false"),
        ({"bias": {"combine": {"method": "men"}}}, "bias.combine.method", "'men' is not one of mean, median"),
        ({"bias": {"combine": {"sigma": 0}}}, "bias.combine.sigma", "0 must be more than 0"),
        ({"bias": {"combine": {"sigma": True}}}, "bias.combine.sigma", "True is not a number"),
        ({"bias": {"combine": {"low": -1}}}, "bias.combine.low", "-1 is less than 0"),
        ({"dark": {"max_age_days": 1.5}}, "dark.max_age_days", "1.5 is not a whole number"),
        ({"lights_per_job": 0}, "lights_per_job", "0 is less than 1"),
        ({"lights_per_job": 48.0}, "lights_per_job", "48.0 is not a whole number"),
        ({"lights_per_job": "2024-13-45"}, "lights_per_job", "'2024-13-45' is not a whole number"),
        ({"overscan": {"order": 3.0}}, "overscan.order", "3.0 is not a whole number"),
        ({"missing": "ignore"}, "missing", "'ignore' is not one of skip, stop"),
        ({"headers": {"path": "{night}/{filter}"}}, "headers.path", "'{night}/{filter}' is not a pattern such as"),
        ({"headers": {"kind_from": ["header", "nose"]}}, "headers.kind_from.1", "'nose' is not one of header,"),
        ({"headers": {"cards": {"filtr": ["F"]}}}, "headers.cards", "'filtr' is not one of kind,"),
    ],
)
def test_wrong_value_is_named_with_what_is_wanted(config, where, what):
    (problem,) = problems_of(config)
    assert problem.startswith(f"config.yaml: {where}: {what}")


def test_every_problem_is_listed_at_once_a_line_each():
    config = {
        "raw": 5.5,
        "bais": {},
        "bias": {"use": "perhaps", "combine": {"sgima": 3, "sigma": -1}},
        "missing": "x" * 500,
    }
    problems = problems_of(config)
    wheres = [problem.removeprefix("config.yaml: ").split(":")[0] for problem in problems]
    assert sorted(wheres) == ["bais", "bias.combine.sgima", "bias.combine.sigma", "bias.use", "missing", "raw"]
    assert max(map(len, problems)) < 200


def test_key_with_a_line_break_stays_on_one_line():
    assert len(problems_of({"a\nb": 1})) == 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"raw": []}, "raw: names no folder"),
        ({"raw": ""}, "raw: names no folder"),
        ({"results": " "}, "results: names no folder"),
        ({"site": {"longitude": 5, "night_offset_hours": 0}}, "two rules for one thing"),
        ({"overscan": {"section": "1:20"}}, "overscan.section: '1:20' is not a section"),
        ({"overscan": {"trim": "[20:1,1:5]"}}, "overscan.trim: '[20:1,1:5]' must count from 1 and run upwards"),
        ({"dark": {"per_second": True, "subtract_bias": False}}, "dark.per_second: a rate needs darks free of bias"),
        ({"dark": {"per_second": True}, "bias": {"use": False}}, "dark.per_second: a rate needs darks free of bias"),
        ({"dark": {"per_second": True, "scale": False}}, "dark.per_second: a rate is always scaled"),
        ({"flat": {"min_counts": 500, "max_counts": 500}}, "max_counts 500 is not above min_counts 500"),
        ({"headers": {"cards": {"kind": ["K"]}, "kind_from": ["name"]}}, "kind_from does not ask the header"),
        ({"lights": {"repair_columns": ["[5:6,1:9]", "5:6"]}}, "lights.repair_columns: '5:6' is not a section"),
        ({"detector": {"linearity": [1.0]}, "bias": {"use": False}}, "detector.linearity: counts from the bias"),
        (
            {"detector": {"linearity": [1.0]}, "dark": {"subtract_bias": False}},
            "dark.subtract_bias to true or dark.use",
        ),
    ],
)
def test_impossible_combination_is_refused(config, words):
    (problem,) = problems_of(config)
    assert words in problem


def test_several_impossible_combinations_are_listed_at_once():
    dark = {"per_second": True, "subtract_bias": False, "scale": False}
    assert len(problems_of({"dark": dark, "flat": {"max_counts": 1}, "results": ""})) == 4


def test_combinations_that_only_look_impossible_pass():
    check_settings({"dark": {"use": False, "per_second": True, "scale": False}})
    check_settings({"site": {"longitude": 0, "night_offset_hours": None}})
    check_settings({"headers": {"kind_from": ["folder"]}})
    check_settings({"headers": {"kind_from": ["header"], "cards": {"kind": ["K"]}}})
    check_settings({"detector": {"linearity": [1.0, 1e-6]}})
    check_settings({"detector": {"linearity": [1.0]}, "dark": {"use": False, "subtract_bias": False}})
    check_settings({"lights": {"repair_columns": ["[5:6,1:9]"]}, "bias": {"use": False}})
    check_settings({"flat": {"min_counts": 0, "max_counts": 1}, "overscan": {"section": "[1:2,1:9]"}})


def test_folder_called_by_digits_is_a_folder():
    settings = check_settings({"raw": [20240310, "more"], "results": 2024})
    assert settings["raw"] == ["20240310", "more"]
    assert settings["results"] == "2024"


def test_text_of_the_command_line_is_read_where_no_text_may_stand():
    settings = check_settings({"dark": {"use": "false", "exposure_tolerance": "2"}, "exclude": "[a, b]"})
    assert settings["dark"]["use"] is False
    assert settings["dark"]["exposure_tolerance"] == 2.0
    assert settings["exclude"] == ["a", "b"]
