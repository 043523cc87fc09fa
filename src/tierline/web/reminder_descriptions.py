"""What the fields of reminders mean: part of `field_descriptions`."""

from __future__ import annotations

from typing import Final

REMINDERS: Final = """
ReminderObject.amounts: All that expires up to then, by date, soonest first.
ReminderAmount.expires_at: The first instant without these points.
ReminderAmount.points: How many expire then.
ReminderObject.at: The instant at which it was due to be told.
TierNearReminder.cool_down_days: Nobody hears it twice within so many times 24 hours.
ReminderObject.counts_from: From when what is needed counts; null: at once, or nothing does.
ReminderObject.customer: The customer as the caller's own systems know them.
ReminderObject.customer_id: The customer's id in Tierline.
ReminderObject.entry: The number of the ledger entry that brought it; null: time did.
expiring: How many points expire on that day.
ReminderObject.id: The reminder's id, the same in the feed and at every endpoint.
ReminderObject.kind: What it reminds of.
last_valid_day: The last civil day on which the tier or the points are still there.
lead_days: How many civil days before it is told, each once; null: not ahead of a date.
ReminderObject.metric: The measure that counts; null: the policy's own metric.
ReminderObject.needed: How much more keeps the tier, or reaches the next; null: no amount does.
percent: Near is within so much of the tier's threshold, in percent.
ReminderObject.points: The member's points when it was told.
points_expiring: Of points that expire.
ReminderObject.program: The program's id.
ReminderObject.recorded_at: When it entered the log.
reminders: What members are reminded of; left out, it stays.
MemberAnswer.reminders: What will be told if nothing else happens: the soonest 20 of two years.
ProgramAnswer.reminders: What members are reminded of.
ReminderAheadAnswer.at: The instant at which it will be told.
ReminderAheadAnswer.kind: What it will remind of.
ReminderAheadAnswer.metric: The measure that counts; null: the policy's own metric.
ReminderAheadAnswer.needed: How much more keeps the tier, or reaches it; null: no amount does.
ReminderAheadAnswer.tier: The tier that the member has then.
ReminderAheadAnswer.when: When it happens: the tier ends or begins, points expire.
ReminderObject.tier: The tier that the member has.
tier_ending: Of the end of a tier that would be lost.
tier_near: Of the next tier, when a member comes near it.
tier_skipped: Of tiers that a move upward skips: the first time, or every time.
tier_then: The tier that follows, waits, is near or was skipped; null: none.
tier_waiting: Of a tier that was earned and begins later.
unique_until: Until when the same kind is not told to this member again.
ReminderObject.version: The number of the rules' version that asked for it.
ReminderObject.when: When it happens: the tier ends or begins, points expire, the need changes.
within: Near is when so much of the metric is missing, or less.
"""
