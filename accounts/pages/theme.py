"""The host's accent and radius as a stylesheet of custom properties, since pages take no inline style.

An accent is made readable before it is used: darkened for the light pages and lightened for the dark ones until text
in it has a contrast of 4.5 : 1 (WCAG 1.4.3), and its foreground is whichever of black and white reads better.
"""

import re
from collections.abc import Iterator

from gatehouse.conf import app_settings

Colour = tuple[float, float, float]

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_LENGTH = re.compile(r"\d{1,2}(?:\.\d{1,3})?(?:px|rem|em)?")
_BLACK: Colour = (0.0, 0.0, 0.0)
_WHITE: Colour = (1.0, 1.0, 1.0)
_PAPER: Colour = (250 / 255, 248 / 255, 245 / 255)  # --paper of site.css
_NIGHT: Colour = (32 / 255, 30 / 255, 27 / 255)  # --surface of its dark half
_READABLE = 4.5


def stylesheet() -> str:
    """Return the stylesheet for the settings in force; what is not a colour or a length is left out."""
    settings = app_settings()
    return "".join([*_accent_rules(settings.ACCENT_COLOUR), *_radius_rules(settings.RADIUS)])


def _accent_rules(accent: str) -> Iterator[str]:
    if not _HEX.fullmatch(accent):
        return
    colour = _parse(accent)
    light, dark = _readable(colour, on=_PAPER, towards=_BLACK), _readable(colour, on=_NIGHT, towards=_WHITE)
    yield f":root{{--accent:{_write(light)};--on-accent:{_foreground(light)}}}\n"
    yield f"@media (prefers-color-scheme:dark){{:root{{--accent:{_write(dark)};--on-accent:{_foreground(dark)}}}}}\n"


def _radius_rules(radius: str) -> Iterator[str]:
    if _LENGTH.fullmatch(radius):
        yield f":root{{--radius:{radius}}}\n"


def _readable(colour: Colour, *, on: Colour, towards: Colour) -> Colour:
    for step in range(21):
        share = step / 20
        mixed = _mix(colour, towards, share)
        if _contrast(mixed, on) >= _READABLE:
            return mixed
    return towards


def _foreground(colour: Colour) -> str:
    return "#ffffff" if _contrast(colour, _WHITE) >= _contrast(colour, _BLACK) else "#000000"


def _contrast(one: Colour, other: Colour) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (a * (1 - share) + b * share for a, b in zip(colour, other, strict=True))
    return red, green, blue


def _parse(text: str) -> Colour:
    digits = text[1:] if len(text) == 7 else "".join(c * 2 for c in text[1:])
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def _write(colour: Colour) -> str:
    return "#" + "".join(f"{round(c * 255):02x}" for c in colour)
