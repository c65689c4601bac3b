"""Draws percentile curves as one SVG: who waits how long, down to the one in ten thousand.

Both axes are logarithmic, the lower one in how rare a wait is (1 of 10, 1 of 100, ...), as HdrHistogram plots it.
"""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 92, 74
MARKS = [(50.0, "50 %"), (90.0, "90 %"), (99.0, "99 %"), (99.9, "99.9 %"), (99.99, "99.99 %")]
# Okabe and Ito's palette, told apart by who cannot tell red from green; dashes for who prints in gray.
COLORS = ["#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#56b4e9"]
DASHES = ["", "8 4", "2 4", "12 3 2 3", "4 4", "1 3"]
POINTS = 240


@dataclass
class Curve:
    """A name and its milliseconds, rising."""

    name: str
    rising: list[float]


@dataclass
class Frame:
    """From values to places."""

    decades_low: int
    decades_high: int
    rarest: float

    def x(self, rarity: float) -> float:
        """`rarity` is 1 / (1 - share)."""
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(rarity) / math.log10(self.rarest)

    def y(self, milliseconds: float) -> float:
        """Greater is higher."""
        height = HEIGHT - TOP - BOTTOM
        return HEIGHT - BOTTOM - height * (math.log10(milliseconds) - self.decades_low) / (self.decades_high - self.decades_low)


def draw(title: str, subtitle: str, curves: list[Curve]) -> str:
    """The whole picture."""
    least = min(max(curve.rising[0], 0.01) for curve in curves)
    most = max(curve.rising[-1] for curve in curves)
    low = math.floor(math.log10(least))
    frame = Frame(low, max(math.ceil(math.log10(most)), low + 1), max(len(curve.rising) for curve in curves) * 1.0)
    parts = [*axes(frame), *(line(frame, curve, number) for number, curve in enumerate(curves)), *legend(curves)]
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="14">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 28, title, size=18, weight="bold"),
        text(LEFT, 50, subtitle, color="#555"),
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def axes(frame: Frame) -> list[str]:
    """Grid, ticks and what they mean."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for decade in range(frame.decades_low, frame.decades_high + 1):
        y = frame.y(10.0**decade)
        parts += [rule(LEFT, y, right, y, "#ccc"), text(LEFT - 10, y + 5, milliseconds(10.0**decade), anchor="end")]
        if decade < frame.decades_high:
            parts += [rule(LEFT, frame.y(step * 10.0**decade), right, frame.y(step * 10.0**decade), "#eee") for step in range(2, 10)]
    for percent, name in MARKS:
        rarity = 100 / (100 - percent)
        if rarity <= frame.rarest:
            x = frame.x(rarity)
            parts += [rule(x, TOP, x, bottom, "#ccc"), text(x, bottom + 22, name, anchor="middle")]
    parts += [rule(LEFT, TOP, LEFT, bottom, "#333"), rule(LEFT, bottom, right, bottom, "#333")]
    parts.append(text((LEFT + right) / 2, HEIGHT - 18, "share of transactions that took no longer", anchor="middle", color="#555"))
    return parts


def line(frame: Frame, curve: Curve, number: int) -> str:
    """Steps are too fine to see: one point per bit of rarity."""
    count = len(curve.rising)
    places = []
    for step in range(POINTS + 1):
        rarity = count ** (step / POINTS)
        rank = min(math.ceil(count * (1 - 1 / rarity)), count - 1)
        places.append(f"{frame.x(rarity):.1f},{frame.y(max(curve.rising[rank], 10.0**frame.decades_low)):.1f}")
    return f'<polyline fill="none" {stroke(number)} points="{" ".join(places)}"/>'


def legend(curves: list[Curve]) -> list[str]:
    """Above the curves, in a row."""
    parts, x = [], float(LEFT)
    for number, curve in enumerate(curves):
        parts += [f'<path d="M{x:.0f} 72h34" {stroke(number)}/>', text(x + 42, 77, curve.name)]
        x += 42 + 8 * len(curve.name) + 26
    return parts


def stroke(number: int) -> str:
    """How a curve looks."""
    dashes = DASHES[number % len(DASHES)]
    return f'stroke="{COLORS[number % len(COLORS)]}" stroke-width="2.5"' + (f' stroke-dasharray="{dashes}"' if dashes else "")


def milliseconds(value: float) -> str:
    """`100 µs`, `1 ms`, `10 s`."""
    if value < 1:
        return f"{value * 1000:g} µs"
    return f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s"


def rule(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    """A thin line."""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{color}"/>'


def text(x: float, y: float, words: str, anchor: str = "start", color: str = "#222", size: int = 14, weight: str = "normal") -> str:
    """A label."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-size="{size}" font-weight="{weight}">'
        f"{escape(words)}</text>"
    )
