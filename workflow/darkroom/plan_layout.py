"""Where the nodes of the plan's picture lie, and how its edges run between them."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass

import igraph

from darkroom.plan_graph import LAYERS, Node, PlanGraph

SLOT = 46.0  # pixels from one node to the next below it
TALL = 36.0  # of a node
GAP = 72.0  # between two columns, where edges run
PAD = 10.0  # inside a node, left and right
MARK = 18.0  # room for the symbol of a verdict
TOP = 34.0  # for the headings of the columns
TITLE = 26.0  # for the name of a setup
NAME_SIZE, WORD_SIZE, SETUP_SIZE = 12.0, 11.0, 13.0
# Advance widths in thousandths of the size, in DejaVu Sans, which is as wide as any face that a browser takes.
WIDTHS = {
    300: "'IJijl", 350: " ,./:;\\|", 400: "!()-[]ft", 450: "r", 500: '"*_`', 550: "?csz", 600: "FLkvxy",
    650: "$0123456789EPSTYabdeghnopqu{}", 700: "ABCKRVXZ", 750: "NU", 800: "&DGHOQ", 850: "#+<=>^w~", 900: "M",
    950: "%", 1000: "@Wm…",
}  # fmt: skip
WIDTH_OF = {char: width for width, chars in WIDTHS.items() for char in chars}


@dataclass
class Box:
    """Where a node lies: left, right, and the middle of its height, in pixels."""

    left: float
    right: float
    y: float


@dataclass
class Stretch:
    """A stretch of edges of one source: from a point to a point, towards ``targets``; flat through a column."""

    source: str
    targets: list[str]
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass
class PlanLayout:
    """A laid out plan; ``columns`` are left end and layer, ``setups`` the height of each one's name."""

    width: float
    height: float
    boxes: dict[str, Box]
    stretches: list[Stretch]
    columns: list[tuple[float, str]]
    setups: list[tuple[float, str]]


def measure_text(text: str, size: float) -> float:
    """Return at least as many pixels as a text takes."""
    return size * sum(WIDTH_OF.get(char) or _measure_char(char) for char in text) / 1000


def lay_out(graph: PlanGraph) -> PlanLayout:
    """Lay out a plan from left to right, setup below setup, by the method of Sugiyama.

    Edges that pass a column share one way through it, so that many of them need no more room than one.
    """
    layers = [layer for layer in LAYERS if any(node.layer == layer for node in graph.nodes.values())]
    columns: dict[str, tuple[float, float]] = {}
    left = 0.0
    for layer in layers:
        width = max(_measure_node(node) for node in graph.nodes.values() if node.layer == layer)
        columns[layer] = (left, left + width)
        left += width + GAP
    boxes: dict[str, Box] = {}
    stretches: list[Stretch] = []
    setups: list[tuple[float, str]] = []
    names = sorted({node.setup for node in graph.nodes.values()})
    top = TOP
    for setup in names:
        nodes = [node for node in graph.nodes.values() if node.setup == setup]
        if len(names) > 1:
            setups.append((top + TITLE / 2, setup))
            top += TITLE
        inside = {node.id for node in nodes}
        edges = [edge for edge in graph.edges if inside.issuperset(edge)]
        heights, links = _place(nodes, edges, layers)
        for node in nodes:
            boxes[node.id] = Box(*columns[node.layer], top + heights[node.id] + SLOT / 2)
        for link in links:
            start = (columns[link.start_layer][1], top + heights[link.start] + SLOT / 2)
            end = (columns[link.end_layer][0], top + heights[link.end] + SLOT / 2)
            stretches.append(Stretch(link.source, link.targets, start, end))
            if link.end not in boxes:  # a relay: on through its column
                stretches.append(Stretch(link.source, link.targets, end, (columns[link.end_layer][1], end[1])))
        top += max(heights.values()) + SLOT
    within = {(stretch.source, target) for stretch in stretches for target in stretch.targets}
    for source, target in graph.edges:  # none, but of tables that nobody has made
        if (source, target) not in within:
            one, other = boxes[source], boxes[target]
            stretches.append(Stretch(source, [target], (one.right, one.y), (other.left, other.y)))
    return PlanLayout(left - GAP, top, boxes, stretches, [(columns[one][0], one) for one in layers], setups)


@dataclass
class Link:
    """A link from one column to the next: between nodes, or relays where edges of ``source`` pass a column."""

    source: str
    targets: list[str]
    start: str
    start_layer: str
    end: str
    end_layer: str


def _place(nodes: list[Node], edges: list[tuple[str, str]], layers: list[str]) -> tuple[dict[str, float], list[Link]]:
    """Return the height of each node and relay of a setup, and the links between them."""
    layer_of = {node.id: layers.index(node.layer) for node in nodes}
    targets: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for source, target in edges:
        targets[source][layer_of[target]].append(target)
    links: list[Link] = []
    for source, by_layer in targets.items():
        last = source
        for layer in range(layer_of[source] + 1, max(by_layer) + 1):
            for target in by_layer.get(layer, []):
                links.append(Link(source, [target], last, layers[layer - 1], target, layers[layer]))
            beyond = [target for at, found in sorted(by_layer.items()) if at > layer for target in found]
            if beyond:
                relay = f"{source}>{layer}"
                layer_of[relay] = layer
                links.append(Link(source, beyond, last, layers[layer - 1], relay, layers[layer]))
                last = relay
    number = {key: at for at, key in enumerate(layer_of)}
    drawn = igraph.Graph(len(number), [(number[link.start], number[link.end]) for link in links], directed=True)
    found = drawn.layout_sugiyama(layers=list(layer_of.values()), maxiter=200)
    across = [float(found[at][0]) for at in range(len(number))]
    return {key: SLOT * (across[at] - min(across)) for key, at in number.items()}, links


def _measure_node(node: Node) -> float:
    mark = MARK if node.mark else 0
    return 2 * PAD + mark + max(measure_text(node.name, NAME_SIZE) * 1.06, measure_text(node.words, WORD_SIZE))


def _measure_char(char: str) -> float:
    """Return the width of what no table has, Cyrillic and Chinese alike."""
    return 0.0 if unicodedata.combining(char) else 1100.0
