"""The verdict at the top of a night's page: how the night went, in a headline, sentences and numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from darkroom.page_words import VERDICTS, count, is_number
from darkroom.report_model import Night

Row = dict[str, Any]


@dataclass(frozen=True)
class StackCounts:
    """How many stacks are made and not made, and how many lights were left out of those made."""

    made: int
    lost: int
    left_out: int


def judge_night(night: Night) -> Row:
    """Return the verdict: ``tone`` (good, warn, bad), a headline, sentences, tiles of numbers, why lights lack."""
    sought, made, skipped = len(night.lights), len(night.made), len(night.skipped)
    odd = sum(1 for light in night.made if light.odd)
    verdicts = Counter(master.verdict for master in night.masters)
    doubtful = [master for master in night.masters if master.used and master.verdict == "failed"]
    reasons = Counter((one.what, one.remedy) for light in night.skipped for one in light.missing)
    stacks = _count_stacks(night)
    if not sought:
        tone, headline = "warn", "There are no lights in this night"
    elif not made:
        tone, headline = "bad", "No light could be calibrated"
    elif skipped or doubtful or stacks.lost:
        tone, headline = "warn", "Usable, but not all of it"
    elif odd or night.problems or stacks.left_out:
        tone, headline = "warn", "All is made; some of it needs a look"
    else:
        tone, headline = "good", "All is well"
    return {
        "tone": tone,
        "headline": headline,
        "sentences": [
            _say_lights(night, odd),
            *_say_stacks(stacks),
            *_say_solutions(night),
            _say_masters(night, verdicts, len(doubtful)),
            *_say_problems(night),
        ],
        "tiles": [
            {"value": f"{made} of {sought}", "name": "lights calibrated", "link": "#lights"},
            {"value": str(skipped), "name": "skipped", "link": "#lights"},
            {"value": str(odd), "name": "stand out", "link": "#lights"},
            *_tell_stacks(stacks),
            {"value": f"{verdicts['passed']} of {len(night.masters)}", "name": "masters certified", "link": "#masters"},
            {
                "value": str(len(night.problems)),
                "name": "problem" if len(night.problems) == 1 else "problems",
                "link": "#problems",
            },
        ],
        "reasons": [{"number": n, "what": what, "remedy": remedy} for (what, remedy), n in reasons.most_common()],
        "verdicts": [
            {"number": verdicts[name], "word": word, "symbol": symbol, "tone": tone, "meaning": meaning}
            for name, (symbol, word, tone, meaning) in VERDICTS.items()
            if verdicts[name]
        ],
    }


def _say_lights(night: Night, odd: int) -> str:
    sought, made, skipped = len(night.lights), len(night.made), len(night.skipped)
    if not sought:
        return "No frame of this night is a light, so there was nothing to calibrate."
    if not skipped:
        text = "The only light is calibrated." if sought == 1 else f"All {sought} lights are calibrated."
    elif not made:
        text = f"{count(sought, 'light was', 'lights were')} sought, and none has all the masters it needs."
    else:
        lack = "lacks a master and was" if skipped == 1 else "lack a master and were"
        text = f"{made} of {sought} lights are calibrated; {skipped} {lack} skipped."
    if not any(is_number(light.sky) for light in night.made):
        return f"{text} Their pixels were not measured." if made else text
    if not odd:
        return f"{text} None of them stands out."
    look = "stands out: look at it before you use it" if odd == 1 else "stand out: look at them before you use them"
    return f"{text} {odd} of those made {look}."


def _count_stacks(night: Night) -> StackCounts:
    made = [stack for stack in night.stacks if not stack.problem]
    left_out = {light.path for stack in made for light in stack.lights if not light.used}
    return StackCounts(len(made), len(night.stacks) - len(made), len(left_out))


def _say_stacks(stacks: StackCounts) -> list[str]:
    made, lost, left_out = stacks.made, stacks.lost, stacks.left_out
    every = made + lost
    if not every:
        return []
    if not lost:
        text = "The only stack is made" if every == 1 else f"All {every} stacks are made"
    elif not made:
        text = "The only stack was not made" if every == 1 else f"None of {every} stacks was made"
    else:
        text = (
            f"{made} of {every} stacks {'is' if made == 1 else 'are'} made, {lost} {'was' if lost == 1 else 'were'} not"
        )
    if not made:
        return [f"{text}."]
    if not left_out:
        return [f"{text}; no light was left out of {'it' if made == 1 else 'them'}."]
    return [f"{text}; {count(left_out, 'light was', 'lights were')} left out of {'it' if made == 1 else 'them'}."]


def _tell_stacks(stacks: StackCounts) -> list[Row]:
    """Return the tiles of stacks; none where there are none."""
    if not stacks.made + stacks.lost:
        return []
    name = "stack made" if stacks.made + stacks.lost == 1 else "stacks made"
    tiles = [{"value": f"{stacks.made} of {stacks.made + stacks.lost}", "name": name, "link": "#stacks"}]
    if stacks.made:
        name = "light left out of stacks" if stacks.left_out == 1 else "lights left out of stacks"
        tiles.append({"value": str(stacks.left_out), "name": name, "link": "#stacks"})
    return tiles


def _say_solutions(night: Night) -> list[str]:
    solved = sum(is_number(light.sky_rms) for light in night.made)
    sought = solved + sum(bool(light.unsolved) and not is_number(light.sky_rms) for light in night.made)
    if not sought:
        return []
    if sought == 1:
        return [f"The only light that was tried has {'a' if solved else 'no'} plate solution."]
    return [
        f"{solved or 'None'} of {sought} lights that were tried {'has' if solved < 2 else 'have'} a plate solution."
    ]


def _say_masters(night: Night, verdicts: Counter[str], doubtful: int) -> str:
    if not night.masters:
        return "There are no masters."
    parts = [f"{verdicts[name]} {word}" for name, (_, word, _, _) in VERDICTS.items() if verdicts[name]]
    text = f"Of {count(len(night.masters), 'master')}, {', '.join(parts)}."
    if doubtful:
        text += f" {doubtful} that failed {'is' if doubtful == 1 else 'are'} used all the same, as the settings ask."
    elif verdicts["failed"]:
        text += " What failed was set aside: no light was made with it."
    return text


def _say_problems(night: Night) -> list[str]:
    number = len(night.problems)
    if not number:
        return []
    return [f"{count(number, 'problem')} {'is' if number == 1 else 'are'} told below, with what helps."]
