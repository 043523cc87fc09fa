"""What fields of lists, summaries and one member's history mean: part of `field_descriptions`."""

from __future__ import annotations

from typing import Final

LISTS: Final = """
as_of: Of a list by last change, the instant below which nothing is added any more.
away: Of a distributed database, the shards whose node is away; what they hold is not here.
attribute: An attribute and its value, as `vip:true`.
balance_max: Whose balance is at most so much.
balance_min: Whose balance is at least so much.
changed_at: When points or tier last changed.
counterpart: Of a transfer, the other customer.
customers: The customers of this page.
debt: Points that were taken back after they had been spent.
SummaryAnswer.due: For how many members something falls due, day by day.
email_part: What their email holds anywhere.
LotLine.entries: Whose points these are, the oldest first.
EntryList.entries: The entries of this page.
EntryLine.events: The changes of tier that it brought.
expires_before: Whose tier ends before this instant.
history: The changes of membership of this page.
EntryLine.lots: What it did to the lots of points.
EntriesQuery.lots: Whether to work out what each entry did to the lots of points.
lots: Points that expire together, what expires first standing first.
meanwhile: What time did to the lots since the entry before.
of_entry: The number of the entry that it speaks of.
order: The oldest or the newest first.
PendingLine.points: The points on their way.
EntryList.since: What time did to the lots after the newest entry.
TierPeriodLine.since: From when on the tier was held.
since_before: Who has had their tier since before this instant.
since_from: Who has had their tier since this instant or later.
sort: By number, or by last change.
tiers_ending: For how many of them it is their tier that ends.
TierPeriodLine.until: When it was left for another; null: it is held to this day.
updated_before: Who changed last before this instant.
updated_from: Who changed last at this instant or later.
moved: By how many points the balance changed.
StatementLine.number: Which of the member's changes at that instant it is, from 1 on.
PointsStatement.points: The changes of points of this page.
StatementLine.points: By how many points; of pending ones that became active, how many did.
StatementLine.entry: The entry that brought it, or whose points became active; null: time did.
StatementLine.tier: The tier that they were in.
StatementLine.total: All points that were ever added, less what was taken back by hand.
waits: By how many the pending points changed.
HeldTermAnswer.set_by_key: The key of the entry that set it last, as its caller sent it.
language: The language, as `de` or `pt-BR`.
ExplainQuery.language: The language of the sentences, as `de` or `pt-BR`, else English.
Sentence.name: Which sentence it is, as `downgraded` or `term_keeps`.
ExplanationAnswer.sentences: What happened last and why, and what keeps the tier, in plain words.
sentences: The program's own sentences, by language and name; left out, they stay.
ProgramAnswer.sentences: The program's own sentences, by language and name.
text: The sentence, as plain text.
EventsQuery.customer: Only what was announced of this customer.
"""
