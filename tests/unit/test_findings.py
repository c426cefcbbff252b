"""Findings of earlier runs: verdicts on masters, figures of detectors; what they refuse, what an observer is told."""

import json

import pytest

from darkroom.certificates import Certificate, read_verdict, set_aside
from darkroom.findings import Findings
from darkroom.misses import Miss
from darkroom.plan import make_plan
from darkroom.products import write_figures
from darkroom.recipes import write_recipes
from darkroom.stamps import name_refusal
from tests.unit.builders import make_night, overlay

FIGURES = {"frames": 2, "residual": 0.1, "proven": True}


def make_certificate(master="2024-03-10/ccd/master_bias.fits"):
    plan = make_plan(make_night(), overlay())
    settings = overlay()
    write_recipes(plan, settings)
    return plan.certificates[master]


def certify(results, certificate, verdict="passed", *failures, refused=False, **figures):
    """Write what the job would."""
    path = name_refusal(certificate.path) if refused else certificate.path
    found = {"master": certificate.master.path, "verdict": verdict, "failures": list(failures)}
    write_figures(str(results / path), found | {"figures": FIGURES | figures}, certificate.recipe)
    return results / path


@pytest.mark.parametrize("refused", [False, True])
def test_verdict_is_read_from_the_certificate_or_its_refusal(tmp_path, refused):
    certificate = make_certificate()
    assert read_verdict(tmp_path, certificate) is None
    path = certify(tmp_path, certificate, "failed", "too noisy", refused=refused)
    assert path.name == ("master_bias.failed.json" if refused else "master_bias.json")
    assert path.parent == tmp_path / "2024-03-10/ccd/certificates"
    verdict = read_verdict(tmp_path, certificate)
    assert (verdict.verdict, verdict.failures, verdict.figures) == ("failed", ["too noisy"], FIGURES)


def test_verdict_of_another_recipe_is_none(tmp_path):
    certificate = make_certificate()
    other = Certificate(certificate.master, recipe=certificate.recipe | {"night": "2024-03-09"}, digest="0" * 32)
    certify(tmp_path, other, "failed", "too noisy", refused=True)
    assert read_verdict(tmp_path, certificate) is None
    certify(tmp_path, other, "failed", "too noisy")
    assert read_verdict(tmp_path, certificate) is None


def test_an_old_certificate_does_not_hide_the_refusal_of_now(tmp_path):
    certificate = make_certificate()
    other = Certificate(certificate.master, recipe=certificate.recipe | {"night": "2024-03-09"})
    certify(tmp_path, other)
    certify(tmp_path, certificate, "failed", "too noisy", refused=True)
    assert read_verdict(tmp_path, certificate).failures == ["too noisy"]


@pytest.mark.parametrize("content", ["", "{}", "[]", "5", '{"RECIPE": 5}', "\x00"])
def test_damaged_certificate_says_nothing(tmp_path, content):
    certificate = make_certificate()
    path = certify(tmp_path, certificate)
    path.write_text(content)
    assert read_verdict(tmp_path, certificate) is None
    path.write_text(json.dumps({"RECIPE": certificate.digest}))
    assert read_verdict(tmp_path, certificate) is None


def test_masters_that_failed_are_set_aside_and_can_be_again(tmp_path):
    path = "2024-03-10/ccd/master_bias.fits"
    for content in ("one", "two"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
        assert set_aside(tmp_path, [path, "2024-03-10/ccd/gone.fits"]) == [str(tmp_path / "quarantine" / path)]
        assert not (tmp_path / path).exists()
        assert (tmp_path / "quarantine" / path).read_text() == content
    assert set_aside(tmp_path, [path]) == []


def plan_twice(results, fail, nights=("2024-03-10",), **switches):
    """The plan after a run in which the masters of these paths failed."""
    frames = [frame for night in nights for frame in make_night(night)]
    settings = overlay(**switches)
    for _ in range(4):  # each plan can bring new masters to be judged
        findings = Findings(results, settings)
        plan = make_plan(frames, settings, findings.judge)
        write_recipes(plan, settings)
        for certificate in findings.certificates:
            if certificate.verdict is None:
                bad = certificate.master.path in fail
                certify(results, certificate, *(["failed", "too noisy"] if bad else ["passed"]), refused=bad)
    return plan, findings


def paths(masters):
    return [master.path for master in masters]


BIAS, DARK, FLAT = (f"2024-03-10/ccd/master_{stem}.fits" for stem in ("bias", "dark_60s", "flat_V"))


def test_nothing_is_refused_where_all_passed_or_nobody_knows(tmp_path):
    plan, findings = plan_twice(tmp_path, [])
    assert (plan.failed, plan.refused, len(plan.made)) == ([], [], 2)
    assert set(plan.certificates) == {BIAS, DARK, FLAT}
    assert findings.list_notes(plan) == []


def test_master_that_failed_is_refused_and_what_lacks_it_says_so(tmp_path):
    plan, findings = plan_twice(tmp_path, [BIAS])
    assert paths(plan.failed) == [BIAS]
    first = plan.refused[0]
    assert first.master.path == BIAS
    assert str(first.miss) == (
        "no bias that passes certification (night 2024-03-10, setup ccd): too noisy; certification.failed: warn uses it"
    )
    # what it would have served cannot be made for that reason, which is not said again for each
    assert paths(refusal.master for refusal in plan.refused) == [BIAS, DARK, FLAT]
    assert plan.refused[1].miss.derived
    assert plan.made == []
    assert all(miss.derived for light in plan.skipped for miss in light.misses)
    assert "master bias of 2024-03-10 cannot be made" in str(plan.skipped[0].misses[1])
    assert isinstance(plan.skipped[0].misses[0], Miss)
    assert plan.certificates == {}
    assert findings.list_notes(plan) == []


def test_next_best_is_taken_in_its_place(tmp_path):
    nights = ("2024-03-10", "2024-03-11")
    plan, _ = plan_twice(tmp_path, [FLAT], nights, flat__max_age_days=1)
    assert paths(plan.failed) == [FLAT]
    assert len(plan.made) == 4
    for light in plan.made:
        assert light.flat.master.path == "2024-03-11/ccd/master_flat_V.fits"
    assert FLAT not in plan.certificates
    assert FLAT not in plan.targets


def test_scaled_dark_takes_the_place_of_one_that_failed(tmp_path):
    frames = make_night(darks=(60.0, 300.0))
    settings = overlay()

    def judge(certificate):
        return "too warm" if certificate.master.path == DARK else ""

    plan = make_plan(frames, settings, judge)
    assert {light.dark.master.path for light in plan.made} == {"2024-03-10/ccd/master_dark_300s.fits"}
    assert {light.dark.scale for light in plan.made} == {0.2}
    assert all(match.master.exposure == 300 for flat in plan.masters if flat.kind == "flat" for match in flat.darks)


def test_flats_are_judged_again_when_their_bias_failed(tmp_path):
    """A flat freed of another bias is another flat: the verdict on the first says nothing of it."""
    nights = ("2024-03-10", "2024-03-11")
    plan, _ = plan_twice(tmp_path, [], nights, bias__max_age_days=1)
    before = plan.certificates[FLAT].digest
    certify(tmp_path, plan.certificates[BIAS], "failed", "too noisy", refused=True)
    (tmp_path / plan.certificates[BIAS].path).unlink()
    settings = overlay(bias__max_age_days=1)
    findings = Findings(tmp_path, settings)
    plan = make_plan([frame for night in nights for frame in make_night(night)], settings, findings.judge)
    assert paths(plan.failed) == [BIAS]
    assert plan.certificates[FLAT].digest != before
    assert plan.certificates[FLAT].verdict is None
    assert plan.certificates[FLAT].master.bias.master.night == "2024-03-11"
    assert len(plan.made) == 4


def test_warn_uses_a_master_that_failed_and_names_it(tmp_path):
    plan, findings = plan_twice(tmp_path, [BIAS], certification__failed="warn")
    assert (plan.failed, len(plan.made)) == ([], 2)
    (note,) = findings.list_notes(plan)
    assert note == f"{BIAS} failed its certification and is used all the same (too noisy); see certification.csv"


def test_stop_refuses_as_replace_does_and_leaves_the_stopping_to_the_run(tmp_path):
    plan, _ = plan_twice(tmp_path, [BIAS], certification__failed="stop")
    assert paths(plan.failed) == [BIAS]
    assert plan.made == []


def test_without_certification_nothing_is_judged(tmp_path):
    plan_twice(tmp_path, [BIAS])
    plan, findings = plan_twice(tmp_path, [BIAS], certification__use=False)
    assert (plan.failed, plan.certificates, findings.certificates, len(plan.made)) == ([], {}, [], 2)


def test_flats_are_compared_with_those_of_the_last_night_that_has_lights_of_the_filter():
    nights = ("2024-03-08", "2024-03-09", "2024-03-10")
    frames = [frame for night in nights for frame in make_night(night)]
    plan = make_plan(frames, overlay())
    previous = {path: one.previous and one.previous.night for path, one in plan.certificates.items() if "flat" in path}
    assert list(previous.values()) == [None, "2024-03-08", "2024-03-09"]
    unlit = [frame for frame in frames if (frame.kind, frame.night) != ("light", "2024-03-09")]
    plan = make_plan(unlit, overlay())
    assert plan.certificates[FLAT].previous.night == "2024-03-08"
    assert all(one.previous is None for path, one in plan.certificates.items() if "flat" not in path)


def test_table_of_certification_has_a_row_for_each_verdict_and_a_column_for_each_figure(tmp_path):
    settings = overlay()
    certificates = make_plan(make_night(), settings).certificates
    findings = Findings(tmp_path, settings)
    for certificate in certificates.values():
        findings.judge(certificate)
    assert findings.tabulate_certificates() == (["master", "night", "setup", "verdict", "failures"], [])
    certify(tmp_path, certificates[BIAS], "failed", "too noisy", "too uneven", structure=9.0)
    certify(tmp_path, certificates[FLAT], gradient=0.2)
    findings = Findings(tmp_path, settings)
    reasons = [findings.judge(certificate) for certificate in certificates.values()]
    assert reasons == ["too noisy; too uneven", "", ""]
    columns, rows = findings.tabulate_certificates()
    assert columns == [
        "master",
        "night",
        "setup",
        "verdict",
        "failures",
        "frames",
        "residual",
        "proven",
        "structure",
        "gradient",
    ]
    place = {"night": "2024-03-10", "setup": "ccd"}
    assert rows == [
        {
            "master": BIAS,
            **place,
            "verdict": "failed",
            "failures": "too noisy; too uneven",
            **FIGURES,
            "structure": 9.0,
        },
        {"master": FLAT, **place, "verdict": "passed", "failures": "", **FIGURES, "gradient": 0.2},
    ]


def measure(results, told=None, gain=(1.5, 0.01), read_noise=(4.0, 0.02), **switches):
    """Notes and rows after a run that measured these (with their errors), where headers say ``told``."""
    frames, settings = make_night(), overlay(**switches)
    for frame in frames:
        for key, value in (told or {}).items():
            setattr(frame, key, value)
    plan = make_plan(frames, settings)
    write_recipes(plan, settings)
    for one in plan.measurements.all:
        value = {"gain": gain, "read_noise": read_noise}[one.quantity]
        figures = value and {"value": value[0], "error": value[1], "pairs": 8}
        write_figures(str(results / one.path), {one.quantity: figures}, one.recipe)
    findings = Findings(results, settings)
    return findings.list_notes(plan), findings.tabulate_detectors(plan)


def test_detectors_are_tabulated_beside_header_and_settings(tmp_path):
    notes, (columns, rows) = measure(tmp_path, {"gain": 1.52, "read_noise": 6.02}, detector__read_noise=6.05)
    assert notes == []
    assert all(list(row) == columns for row in rows)
    noise, gain = rows
    assert noise == {
        "night": "2024-03-10",
        "setup": "ccd",
        "quantity": "read_noise",
        "unit": "e-",
        "measured": 6.0,  # 4 ADU at the measured gain
        "error": 0.05,  # that of the gain counts too
        "pairs": 8,
        "header": 6.02,
        "config": 6.05,
    }
    assert (gain["unit"], gain["measured"], gain["error"], gain["header"], gain["config"]) == (
        "e-/ADU",
        1.5,
        0.01,
        1.52,
        None,
    )


@pytest.mark.parametrize(("gain", "said"), [(1.529, False), (1.531, True), (1.469, True), (1.471, False)])
def test_disagreement_of_more_than_three_sigma_names_both(tmp_path, gain, said):
    notes, _ = measure(tmp_path, {"gain": gain})
    assert (
        notes
        == [
            f"gain of 2024-03-10, setup ccd: the header says {gain:g} e-/ADU, the frames 1.5 +- 0.01; "
            "detector.prefer says which counts"
        ]
        * said
    )


def test_disagreement_with_the_settings_comes_before_that_with_the_header(tmp_path):
    notes, _ = measure(tmp_path, {"read_noise": 9.0}, detector__read_noise=12.0)
    assert notes == ["read noise of 2024-03-10, setup ccd: config.yaml says 12 e-, the frames 6 +- 0.05; it counts"]


def test_frames_that_tell_nothing_disagree_with_nothing(tmp_path):
    notes, (_, rows) = measure(tmp_path, {"gain": 9.0, "read_noise": 9.0}, gain=None)
    assert [row["quantity"] for row in rows] == ["read_noise"]
    assert (rows[0]["unit"], rows[0]["measured"]) == ("e-", 36.0)  # at the header's gain
    assert len(notes) == 1
    notes, (_, rows) = measure(tmp_path, {"read_noise": 9.0}, gain=None)
    assert (notes, rows[0]["unit"], rows[0]["measured"]) == ([], "ADU", 4.0)


def test_measurement_of_another_recipe_is_not_tabulated(tmp_path):
    measure(tmp_path, {"gain": 9.0})
    frames, settings = make_night(), overlay()
    frames[0].digest = "another"
    plan = make_plan(frames, settings)
    write_recipes(plan, settings)
    findings = Findings(tmp_path, settings)
    assert findings.tabulate_detectors(plan)[1] == []
    assert findings.list_notes(plan) == []
