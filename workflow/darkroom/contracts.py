"""Contracts: what a frame holds, and what may be done to a frame that holds it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


class Breach(ValueError):
    """Why a step may not be taken, in words that follow the name of a frame."""


@dataclass(frozen=True)
class Contents:
    """What a raw frame, a master or a light holds.

    ``unit`` is adu, adu/s, electron or relative (a flat divided by its level); ``bias`` and ``dark`` tell whether they
    are still in it, ``overscan`` whether the overscan's level was taken off, ``linear`` whether it was linearised.
    """

    unit: str = "adu"
    bias: bool = True
    dark: bool = True
    overscan: bool = False
    linear: bool = False

    def __str__(self) -> str:
        parts = [f"bias {'in' if self.bias else 'off'}", f"dark {'in' if self.dark else 'off'}"]
        parts += ["overscan off"] * self.overscan + ["linear"] * self.linear
        return ", ".join([self.unit, *parts])


def subtract_bias(frame: Contents, bias: Contents) -> Contents:
    """Return what a frame holds less a master bias.

    Raises
    ------
    Breach
        If the bias is off already, or the overscan was taken off one of them only.
    """
    if not frame.bias:
        raise Breach("has its bias taken off already, which would be taken off twice")
    _compare_overscan(frame, bias)
    return replace(frame, bias=False)


def subtract_dark(frame: Contents, dark: Contents, scale: float, seconds: float | None = None) -> Contents:
    """Return what a frame holds less ``scale`` times a master dark; ``seconds`` is the frame's exposure.

    Raises
    ------
    Breach
        If one of them holds its bias and the other does not, if a dark that holds it is scaled, if a rate is not
        multiplied by time, or if overscan or linearity differ.
    """
    if dark.bias != frame.bias:
        there, here = ("holds its bias", "does not") if dark.bias else ("is free of its bias", "is not")
        raise Breach(f"would get a dark that {there}, while the frame {here}")
    if dark.bias and scale != 1:
        raise Breach(f"would get a dark that holds its bias, times {scale:.4g}; only a dark free of bias is scaled")
    if dark.unit == "adu/s" and seconds is not None and scale != seconds:
        raise Breach(f"would get a dark per second times {scale:.4g}, for {seconds:g} s")
    if dark.linear != frame.linear:
        raise Breach("would get a dark that is not linearised as the frame is")
    _compare_overscan(frame, dark)
    return replace(frame, bias=False, dark=False)


def divide_flat(frame: Contents, flat: Contents) -> Contents:
    """Return what a frame holds divided by a master flat.

    Raises
    ------
    Breach
        If one of them holds its bias, or the flat is not divided by its level.
    """
    if flat.bias and not flat.overscan:
        raise Breach("would get a flat that still holds its bias")
    if frame.bias and not frame.overscan:
        raise Breach("still holds its bias, which no flat may divide")
    if flat.unit != "relative":
        raise Breach("would get a flat that is not divided by its level")
    if flat.linear != frame.linear:
        raise Breach("would get a flat that is not linearised as the frame is")
    return frame


def _compare_overscan(frame: Contents, master: Contents) -> None:
    if frame.overscan != master.overscan:
        raise Breach("and its master differ in whether the overscan's level was taken off")
