"""The demo for a reader: one line per webhook that arrived."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.table import Table

from tierline.demo.run import DemoDelivery

WIDTH_MIN = 92  # columns: narrower and the facts themselves would be cut


def table(webhooks: Iterable[DemoDelivery]) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("when", "event", "customer", "tier", "signatures"):
        grid.add_column(heading, no_wrap=True)
    story = None
    for webhook in webhooks:
        if webhook.story is not story:
            story = webhook.story
            grid.add_section()
            grid.add_row(f"[dim]{story.project['name']}[/]")
        when, customer, tiers = _facts(webhook)
        mark = "[green]verified[/]" if webhook.genuine else "[red]FORGED[/]"
        grid.add_row(when, webhook.kind, customer, tiers, mark)
    return grid


def _facts(webhook: DemoDelivery) -> tuple[str, str, str]:
    """When, who, and from which tier to which, as the payload itself says."""
    body = msgspec.json.decode(webhook.delivery.body)
    if webhook.story.format == "voucherify":
        data = body["data"]
        only = data.get("loyalty_tier")
        before, after = data.get("loyalty_tier_from"), data.get("loyalty_tier_to")
        if only is not None:
            tiers = f"{only['name']} →" if webhook.kind == "left" else f"→ {only['name']}"
        else:
            tiers = f"{before['name']} → {after['name']}"
        return data["created_at"], data["customer"]["source_id"], tiers
    facts = body["payload"]["properties"]
    tiers = f"{facts['previous_tier']['name']} → {facts['new_tier']['name']}"
    return body["payload"]["created_at"], facts["customer"]["merchant_id"], tiers


def print_table(webhooks: Iterable[DemoDelivery], console: Console) -> None:
    console.width = max(console.width, WIDTH_MIN)
    console.print(table(webhooks))
