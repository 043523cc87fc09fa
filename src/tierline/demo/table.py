"""The demo for a reader: one line per webhook that arrived."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from tierline.demo.run import DemoDelivery
from tierline.demo.shop import ShopLine, ShopTale

WIDTH_MIN = 92  # columns: narrower and the facts themselves would be cut


def table(deliveries: Iterable[DemoDelivery]) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("when", "event", "customer", "tier", "signatures"):
        grid.add_column(heading, no_wrap=True)
    story = None
    for delivery in deliveries:
        if delivery.story is not story:
            story = delivery.story
            grid.add_section()
            grid.add_row(f"[dim]{story.project['name']}[/]")
        mark = "[green]verified[/]" if delivery.genuine else "[red]FORGED[/]"
        tiers = _tiers(delivery)
        grid.add_row(delivery.at, delivery.kind, delivery.customer, tiers, mark)
    return grid


def _tiers(delivery: DemoDelivery) -> str:
    """From which tier to which, as the payload itself says: some name only one."""
    before, after = delivery.tier_names
    if before is not None:
        return f"{before} → {after}"
    return f"{after} →" if delivery.kind == "left" else f"→ {after}"


def print_shop(tale: ShopTale, console: Console) -> None:
    """The shop's story: its lines, a question and its answer."""
    console.width = max(console.width, WIDTH_MIN)
    console.print(tale.title, highlight=False)
    grid = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(5):
        grid.add_column(no_wrap=True)
    for line in tale.lines:
        until = "" if line.last_valid_day is None else f"to {line.last_valid_day}"
        mark = "" if line.event is None else "[red]FORGED[/]"
        if line.event is not None and line.genuine:
            mark = f"{line.event}, [green]verified[/]"
        grid.add_row(line.day, line.what, _move(line), until, mark)
    console.print(grid)
    console.print(f"{tale.question} {' '.join(tale.why)}", highlight=False)
    console.print()


def _move(line: ShopLine) -> str:
    match line.event:
        case "joined":
            return f"→ {line.tier}"
        case "upgraded" | "downgraded":
            return f"{line.tier_from} → {line.tier}"
        case _:
            return line.tier


def print_table(deliveries: Iterable[DemoDelivery], console: Console) -> None:
    console.width = max(console.width, WIDTH_MIN)
    console.print(table(deliveries))
