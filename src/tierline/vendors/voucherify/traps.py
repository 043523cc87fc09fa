"""What the vendor's own pages warn of, found in a campaign as it was given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tierline.rules.lint.finding import Finding, warning
from tierline.rules.program import Rules
from tierline.vendors.voucherify.objects import NAME


def traps(rules: Rules) -> Iterator[Finding]:
    """Points that are redeemed by themselves go before tiers are judged: a tier whose balance is
    never reached."""
    if rules.policy.metric.source != "balance":
        return
    campaign = rules.presentations[NAME].get("campaign")
    rewards = campaign.get("rewards") if isinstance(campaign, dict) else None
    for i, reward in enumerate(rewards if isinstance(rewards, list) else ()):
        price = _price(reward)
        lost = [tier.name for tier in rules.policy.tiers if price and (tier.from_ or 0) >= price]
        if lost:
            reason = (
                f"at {price} points they are redeemed before tiers are judged: no balance stays "
                f"that high, so nobody reaches {', '.join(lost)}"
            )
            yield warning(f"settings.rewards[{i}].parameters.loyalty.auto_redeem", reason)


def _price(reward: Any) -> int | None:
    """How many points a reward takes by itself; None where it does not."""
    for key in ("parameters", "loyalty"):
        reward = reward.get(key) if isinstance(reward, dict) else None
    if not isinstance(reward, dict) or reward.get("auto_redeem") is not True:
        return None
    points = reward.get("points")
    return points if type(points) is int and points > 0 else None
