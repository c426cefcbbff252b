"""The plan of some nights: what of a plan of all frames plays a part for the nights chosen. Pure.

Masters are planned of all nights, so that what is chosen is made as if all were; then only those are kept that are of
these nights or that something of these nights needs. A flat is held against one of an earlier night, which is made for
that, of masters that are certified; it is not certified itself, since that would take the flat before it, and so on to
the first night. Only where the two disagree it is asked for: one that is found odd itself is no measure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from darkroom.certificates import CHANGED, Certificate
from darkroom.frames import Frame
from darkroom.matching import Master
from darkroom.measurements import Measurement, Source
from darkroom.night_choice import choose_nights
from darkroom.nights import nights_apart, number_night
from darkroom.plan_masters import MasterPlanner, Refusal
from darkroom.prepared import PlanError

if TYPE_CHECKING:
    from darkroom.plan import Plan
    from darkroom.plan_lights import Light

Look = tuple[str, str, str, str | None]  # the kind of a master sought, the night that seeks it, its setup and filter


def find_nights(frames: list[Frame], settings: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the nights that the settings choose, and those whose lights may get masters of these; nothing for all.

    Raises
    ------
    PlanError
        Names the nights that no frame is of.
    """
    if settings["nights"] is None:
        return set(), set()
    known = {frame.night for frame in frames if frame.night}
    try:
        chosen = choose_nights(settings["nights"], known)
    except ValueError as error:
        raise PlanError("\n".join(f"config.yaml: nights: {line}" for line in str(error).splitlines())) from None
    reach = sum(settings[kind]["max_age_days"] for kind in ("bias", "dark", "flat"))
    return chosen, list_nights_around(chosen, known, reach)


def list_nights_around(chosen: Iterable[str], known: Iterable[str], days: int) -> set[str]:
    """Return those of the ``known`` nights that are no more than so many days from a chosen one."""
    if not days:
        return set(chosen)
    calendar = sorted(map(number_night, chosen))
    around = set()
    for night in known:
        day = number_night(night)
        next_one = bisect_left(calendar, day - days)
        if next_one < len(calendar) and calendar[next_one] <= day + days:
            around.add(night)
    return around


def list_shown_frames(plan: Plan) -> list[Frame]:
    """Return the frames of which something is to be told: those that play a part.

    Nobody knows of which night a damaged frame is; it is taken for one of the nights of the folder where it lies.
    """
    if not plan.nights:
        return plan.frames
    used = {id(frame) for master in plan.masters if master.path not in plan.aside for frame in master.frames}
    folders: dict[str, bool] = {}  # whether a frame of the nights chosen lies in it or below
    if not all(frame.night for frame in plan.frames):
        for frame in plan.frames:
            for folder in map(str, PurePath(frame.path).parents) if frame.night else ():
                folders[folder] = folders.get(folder, False) or frame.night in plan.nights

    def is_shown(frame: Frame) -> bool:
        if frame.night:
            return frame.night in plan.nights or id(frame) in used
        around = map(str, PurePath(frame.path).parents)
        return next((folders[folder] for folder in around if folder in folders), True)

    return [frame for frame in plan.frames if is_shown(frame)]


def list_needed(masters: Iterable[Master], certificates: dict[str, Certificate]) -> tuple[list[Master], list[Master]]:
    """Return these masters and all that is needed to make and certify them, and which of it is not certified itself.

    The latter are flats that others are only held against.
    """
    found: dict[str, Master] = {}
    compared: dict[str, Master] = {}
    waiting = list(masters)
    while waiting:
        master = waiting.pop()
        if master.path in found:
            continue
        found[master.path] = master
        waiting += [match.master for match in master.matches]
        certificate = certificates.get(master.path)
        if certificate and certificate.previous:
            compared[certificate.previous.path] = certificate.previous
            waiting += [match.master for match in certificate.previous.matches]
    alone = [master for path, master in compared.items() if path not in found]
    return [*found.values(), *alone], alone


def list_used(lights: Iterable[Light], masters: Iterable[Master] = ()) -> list[Master]:
    """Return these masters and those that the lights get, and all that they are made with."""
    return list_needed([*masters, *(match.master for light in lights for match in light.matches)], {})[0]


def keep_chosen(plan: Plan, planner: MasterPlanner, lights: list[Light], nights: set[str]) -> None:
    """Leave in a plan what plays a part for these nights.

    Parameters
    ----------
    lights
        Those of these nights, and of all nights whose lights may get masters of these.
    """
    plan.nights = nights
    plan.lights = [light for light in lights if light.frame.night in nights]
    others = [light for light in lights if light.frame.night not in nights and not light.misses]
    plan.lent = [master for master in list_used(others) if master.night in nights]
    own = [master for master in plan.masters if master.night in nights]
    first = list_needed([*own, *plan.used_masters], {})[0]
    asked: dict[str, Master] = {}
    while True:
        masters, compared = list_needed([*first, *asked.values()], planner.certificates)
        aside = {master.path for master in masters} - {master.path for master in first}
        seen = _list_refused(plan, planner, masters, compared, aside)
        more = _list_doubted(seen, planner)
        if more.keys() <= asked.keys():
            break
        asked |= more
    kept = {master.path for master in masters}
    plan.masters = [master for master in plan.masters if master.path in kept]
    plan.aside = aside - asked.keys()
    plan.asked = list(asked.values())
    plan.refused = [refusal for refusal in planner.refused if seen.get(refusal.master.path)]
    plan.failed = [master for master in planner.failed if master.path in seen]
    certified = kept - {master.path for master in compared}
    plan.certificates = {path: one for path, one in planner.certificates.items() if path in certified}
    needed = {id(measurement) for measurement in _list_measured(plan)}
    plan.measurements.all = [one for one in plan.measurements.all if one.night in nights or id(one) in needed]


def _list_measured(plan: Plan) -> Iterator[Measurement]:
    """Yield the measurements that something in the plan takes its gain or read noise from."""
    sources: list[dict[str, Source]] = [master.sources for master in plan.masters]
    sources += [certificate.sources for certificate in plan.certificates.values()]
    sources += [light.sources for light in plan.made]
    yield from (source.measurement for found in sources for source in found.values() if source.measurement)


def _list_refused(
    plan: Plan, planner: MasterPlanner, masters: list[Master], compared: list[Master], aside: set[str]
) -> dict[str, bool]:
    """Return the paths of the refused masters that something looked at, and whether an observer should know.

    What only a comparison looked at is told if it failed its certification.
    """
    seen: dict[str, bool] = {}
    by_kind: dict[tuple[str, str, str | None], list[Refusal]] = {}
    for refusal in planner.refused:
        master = refusal.master
        by_kind.setdefault((master.kind, master.setup, master.filter), []).append(refusal)
    chosen = [refusal for refusal in planner.refused if refusal.master.night in plan.nights]
    _follow(chosen, _list_looks(plan, masters, aside), True, seen, by_kind, planner.settings)
    alone = {master.path for master in compared}
    certified = [master for master in masters if master.path not in alone]
    passed = [refusal for master in certified for refusal in _list_passed_over(master, planner, by_kind)]
    looks = [look for master in masters if master.path in aside for look in _look_beyond(master)]
    _follow(passed, looks, False, seen, by_kind, planner.settings)
    return seen


def _follow(
    refused: list[Refusal],
    looks: list[Look],
    told: bool,
    seen: dict[str, bool],
    by_kind: dict[tuple[str, str, str | None], list[Refusal]],
    settings: dict[str, Any],
) -> None:
    """Note these refusals and those that the looks meet, and so on with what those lack."""
    refused, looks = list(refused), list(looks)
    while refused or looks:
        while looks:
            kind, night, setup, name = looks.pop()
            age = settings[kind]["max_age_days"]
            near = by_kind.get((kind, setup, name), [])
            refused += [refusal for refusal in near if nights_apart(refusal.master.night, night) <= age]
        while refused:
            refusal = refused.pop()
            master = refusal.master
            if master.path not in seen:
                seen[master.path] = told or refusal.failed
                if refusal.miss.kind in ("bias", "dark") and refusal.miss.kind != master.kind:
                    looks.append((refusal.miss.kind, master.night, master.setup, None))


def _list_looks(plan: Plan, masters: list[Master], aside: set[str]) -> list[Look]:
    """Return where lights, and masters other than those that only comparisons need, look beyond their own night."""
    looks = {look for master in masters if master.path not in aside for look in _look_beyond(master)}
    for light in plan.lights:
        frame = light.frame
        kinds = {miss.kind for miss in light.misses}
        kinds |= {match.master.kind for match in light.matches if match.master.night != frame.night}
        for kind in kinds & {"bias", "dark", "flat"}:
            looks.add((kind, frame.night, frame.setup, frame.filter if kind == "flat" else None))
    return sorted(looks, key=str)


def _look_beyond(master: Master) -> list[Look]:
    matched = [match.master for match in master.matches]
    return [(other.kind, master.night, master.setup, None) for other in matched if other.night != master.night]


def _list_passed_over(
    master: Master, planner: MasterPlanner, by_kind: dict[tuple[str, str, str | None], list[Refusal]]
) -> list[Refusal]:
    """Return the refused flats of nights between a flat's own and that of the one it is compared with."""
    certificate = planner.certificates.get(master.path)
    if master.kind != "flat" or not certificate:
        return []
    since = certificate.previous.night if certificate.previous else ""
    return [
        refusal
        for refusal in by_kind.get(("flat", master.setup, master.filter), [])
        if since <= refusal.master.night < master.night
        and (refusal.master.night, master.setup, master.filter) in planner.lit
    ]


def _list_doubted(seen: dict[str, bool], planner: MasterPlanner) -> dict[str, Master]:
    """Return the flats from which one that failed has changed, whose own certification nobody knows, by path."""
    doubted = {}
    for master in planner.failed:
        certificate = planner.judged[master.path]
        verdict, previous = certificate.verdict, certificate.previous
        if previous and verdict and any(line.startswith(CHANGED) for line in verdict.failures):
            one = planner.certificates.get(previous.path)
            if master.path in seen and one and one.verdict is None:
                doubted[previous.path] = previous
    return doubted
