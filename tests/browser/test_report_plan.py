"""The picture of the plan: a click on anything shows all that it comes from and goes into, and nothing else."""

from selenium.webdriver.common.action_chains import ActionChains

from darkroom.report_model import Night
from tests.browser.browser import PHONE, Page
from tests.browser.pages import build_night

PATHS = "[data-chart=plan-picture] svg .mark-rect.role-mark path"
NODES = f"[...document.querySelectorAll('{PATHS}')].map(each => [each, each.__data__])"
FULL = f"return {NODES}.filter(([, item]) => item.opacity === 1).map(([, item]) => [item.datum.path, item.datum.raws])"
COVERS = f"return {NODES}.filter(([, item]) => item.opacity === 0).map(([each, item]) => [each, item.datum])"


def read_lit(page: Page) -> tuple[set[str], set[str]]:
    """Return the paths of the masters and the names of the raw frames that are shown in full."""
    nodes = page.run(FULL)
    return {path for path, _ in nodes if path}, {raw for _, raws in nodes for raw in raws}


def trace_back(night: Night, paths: set[str]) -> tuple[set[str], set[str]]:
    """Return these masters with all that they were made with, and the raw frames of all, by the model."""
    known = {master.path: master for master in night.masters}
    found, rest = set(), list(paths)
    while rest:
        path = rest.pop()
        if path not in found:
            found.add(path)
            rest += known[path].masters
    return found, {raw for path in found for raw in known[path].frames}


def click_node(page: Page, raw: str) -> None:
    """Click what stands for a group of frames, or for a master, by the name of one of its frames or its path."""
    [node] = [node for node, datum in page.run(COVERS) if raw in datum["raws"] or raw == datum["path"]]
    page.run("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", node)
    ActionChains(page.driver, duration=0).move_to_element(node).click().perform()
    page.wait("return ! document.getElementById('plan-picked').hidden")
    ActionChains(page.driver, duration=0).move_to_element(page.find("#plan-title")).perform()  # point at nothing
    page.wait(f"return {NODES}.some(([, item]) => item.opacity > 0 && item.opacity < 1)")


def test_click_on_lights_shows_all_they_come_from(pages):
    night = build_night("full")
    page = pages.open("full", PHONE)
    everything = read_lit(page)
    assert {master.path for master in night.masters} == everything[0]
    assert {light.raw for light in night.lights} <= everything[1]
    for light in (night.lights[0], night.lights[3], night.lights[2]):  # the last one is skipped
        click_node(page, light.raw)
        masters, raws = read_lit(page)
        wanted, frames = trace_back(night, set(light.masters.values()))
        assert masters == wanted
        group = {
            one.raw
            for one in night.lights
            if (one.filter, one.exposure, one.masters) == (light.filter, light.exposure, light.masters)
        }
        assert raws == frames | group
        links = page.find_all("#plan-picked a")
        assert {link.text for link in links} == group
        assert page.run("return [...arguments[0]].every(each => document.querySelector(each.hash))", links)
    page.verify_quiet()


def test_click_on_a_master_shows_the_lights_that_got_it(pages):
    night = build_night("full")
    page = pages.open("full")
    flat = next(master for master in night.masters if master.filter == "B")
    click_node(page, flat.path)
    masters, raws = read_lit(page)
    wanted, frames = trace_back(night, {flat.path})
    assert masters == wanted
    assert raws == frames | {light.raw for light in night.lights if flat.path in light.masters.values()}


def test_way_of_a_light_is_followed_from_the_table(pages):
    light = build_night("full").lights[0]
    page = pages.open("full")
    page.run("document.querySelector('#light-1 details').open = true")
    link = page.find("#light-1 a[href^='#plan-']")
    page.run("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    page.wait(f"return {NODES}.some(([, item]) => item.opacity > 0 && item.opacity < 1)")
    masters, raws = read_lit(page)
    wanted, _ = trace_back(build_night("full"), set(light.masters.values()))
    assert masters == wanted
    assert light.raw in raws
    group = page.find(page.run("return location.hash"))
    assert group.get_attribute("open")
    assert light.raw in page.run("return arguments[0].textContent", group)
