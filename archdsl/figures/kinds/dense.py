"""A dense block: maps in a row, every layer takes all before it (Huang et al., figure 1)."""

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.pen import EDGE, LINE, MIDDLE, Pen, Slab
from archdsl.figures.canvas.scene import Path, Run, words
from archdsl.figures.canvas.theme import Paint, mixed
from archdsl.figures.network.description import Description
from archdsl.figures.network.tree import Join, boxes
from archdsl.figures.network.units import Unit
from archdsl.figures.options import Options

SHOWN = 5  # layers that are drawn one by one; from the next on a bus carries the maps
MAP, BOX, HEIGHT = Slab(7.0, 42.0, 42.0), 22.0, 19.0
ARROW = 9.0


def dense(description: Description, options: Options, pen: Pen) -> float:
    """The kind `dense`; gives the height."""
    units = [unit for unit in description.units if unit.kind == "dense" and unit.layers > 1]
    if not units:
        raise UsageError(f"{description.title} has no dense block; --kind block shows its blocks")
    unit = units[0]
    layers = min(unit.layers, options.fold or SHOWN)
    step = BOX + MAP.width + 2 * ARROW
    need = layers * step + MAP.width
    room = options.width - 2 * LINE
    while need > room and layers > 2:
        layers -= 1
        need = layers * step + MAP.width
    extra = min((room - need) / (2 * layers), 14.0)
    return _draw(pen, unit, layers, options.width, extra)


def _draw(pen: Pen, unit: Unit, layers: int, width: float, extra: float) -> float:
    gap = ARROW + extra
    step = BOX + MAP.width + 2 * gap
    left = (width - layers * step - MAP.width) / 2
    bus = layers > SHOWN
    crest = 12.0 if bus else 9.0 * layers - 1.0
    axis = crest + MAP.height / 2 + MAP.rise / 2 + 4
    growth = unit.chain[0].output.channels - unit.input.channels
    for layer in range(layers + 1):
        x = left + layer * step
        _map(pen, unit, x, axis, layer, layers)
        given = unit.input.channels if layer == 0 else growth
        _texts(pen, x + MAP.width / 2, axis + MAP.height / 2 + MAP.rise / 2, layer, given)
        if layer < layers:
            _layer(pen, x, axis, layer, gap)
    (_bus if bus else _arcs)(pen, left, step, gap, axis, layers)
    bottom = axis + MAP.height / 2 + MAP.rise / 2 + 24
    bottom = _note(pen, unit, layers, width, bottom, growth)
    pen.grouped(0, unit.id, "")
    return bottom


def _map(pen: Pen, unit: Unit, x: float, axis: float, layer: int, layers: int) -> None:
    """The further, the deeper in color."""
    since = len(pen.items)
    light, deep = pen.theme.paint("pointwise"), pen.theme.paint("down")
    part = layer / layers
    paint = Paint(mixed(light.fill, deep.fill, part), deep.stroke)
    pen.slab(x, axis, MAP, paint)
    pen.grouped(since, f"{unit.id}.x{layer}", f"x{layer} of {unit.id}")


def _texts(pen: Pen, x: float, y: float, layer: int, channels: int) -> None:
    sizes = pen.theme.sizes
    pen.text(x - 2, y + 10, _indexed("x", layer), sizes.name)
    count = str(channels) if layer == 0 else f"+{channels}"
    pen.text(x - 2, y + 19, count, sizes.dimension, pen.theme.dimension)


def _indexed(letter: str, index: int) -> tuple[Run, ...]:
    return Run(letter, True), Run(str(index), sub=True)


def _layer(pen: Pen, x: float, axis: float, layer: int, gap: float) -> None:
    start = x + MAP.width
    left = start + gap
    pen.arrow([(start, axis), (left, axis)])
    pen.rectangle(left, axis - HEIGHT / 2, BOX, HEIGHT, pen.theme.paint("conv"))
    size = pen.theme.sizes.box
    pen.text(left + BOX / 2, axis + MIDDLE * size, _indexed("H", layer + 1), size)
    pen.arrow([(left + BOX, axis), (left + BOX + gap, axis)])


def _arcs(pen: Pen, left: float, step: float, gap: float, axis: float, layers: int) -> None:
    """From every map to every later layer but its own; arrows end apart on the layer's top."""
    top = axis - MAP.height / 2 - MAP.rise / 2
    color = pen.theme.paint("conv").stroke
    for layer in range(1, layers):
        middle = left + layer * step + MAP.width + gap + BOX / 2
        for source in range(layer):
            x = left + source * step + MAP.width * 0.6
            end = middle + (source - (layer - 1) / 2) * (BOX - 9) / max(1, layers - 2)
            rise = 6.0 + 9.0 * (layer - source)
            tip = axis - HEIGHT / 2
            crest = top - rise
            curve = (
                ("M", (x, top + 1)),
                ("C", (x, crest, x + 10, crest, (x + end) / 2, crest)),
                ("C", (end - 2, crest, end, crest + 8, end, tip - 5)),
            )
            pen.items.append(Path(curve, "", color, EDGE, form="line"))
            pen.arrow([(end, tip - 5), (end, tip)], color=color)


def _bus(pen: Pen, left: float, step: float, gap: float, axis: float, layers: int) -> None:
    """One line over all maps, that each map enters and each layer is fed from."""
    top = axis - MAP.height / 2 - MAP.rise / 2
    line = top - 9
    last = left + (layers - 1) * step + MAP.width + gap + BOX / 2
    first = left + MAP.width * 0.6
    color = pen.theme.paint("conv").stroke
    pen.line([(first, top + 1), (first, line), (last, line), (last, line + 6)], color=color)
    for layer in range(1, layers):
        middle = left + layer * step + MAP.width + gap + BOX / 2
        pen.arrow([(middle, line), (middle, axis - HEIGHT / 2)], color=color)
        if layer < layers - 1:
            x = left + layer * step + MAP.width * 0.6
            pen.line([(x, top + 1), (x, line)], color=color)


def _note(pen: Pen, unit: Unit, layers: int, width: float, top: float, growth: int) -> float:
    """What H is, and how many there are."""
    size = pen.theme.sizes.dimension
    body = boxes(unit.chain[0].body) if unit.chain and isinstance(unit.chain[0], Join) else []
    layer = " → ".join(box.label for box in body) or "a layer"
    text = f"H: {layer}; growth {growth}"
    if layers < unit.layers:
        text += f"; {layers} of {unit.layers} layers shown"
    pen.text(width / 2, top + 8, (*words(unit.id, bold=True), Run("   "), *words(text)), size,
             pen.theme.dimension)  # fmt: skip
    return top + 11
