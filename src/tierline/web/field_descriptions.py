"""What every field of the API means, in a sentence: one word, one meaning. `Type.field` where a
type means something of its own, `path.name` for parts of a path. What only a vendor says stands
in the vendor's object, what only operators see in `operator_descriptions`."""

from __future__ import annotations

from tierline.web.list_descriptions import LISTS
from tierline.web.operator_descriptions import OPERATORS
from tierline.web.order_descriptions import ORDERS
from tierline.web.policy_descriptions import POLICY
from tierline.web.reminder_descriptions import REMINDERS

_TEXT = """
path.program: The program's id.
path.source_id: The customer's id in the caller's own systems.
path.endpoint: The endpoint's id.
path.key: The key's id.
path.vendor: The vendor's name.
path.run: The number of the replay.
Points.rules: Earning rules: what gives points without their sender saying how many.
Points.stacking: Which of the rules give that answer the same activity.
ActivityAnswer.rules: Which earning rules gave how many of the points.
Counted.rules: The earning rules that gave the points.
RuleGain.rule: The earning rule's id; `orders`: the program's rate for orders.
OrderPaid.items: Which items of an order that is told whole make the rule answer, and count.
ItemFilter.products: Products or variants, by the ids that the shop gives them.
ItemFilter.groups: Groups of products, by the names that the shop gives them.
ItemFilter.metadata: The values that an item's metadata has.
EarningRule.points: How many points the rule gives.
EarningRule.name: The rule's name, for people.
EarningRule.tiers: What holding a tier makes of the rule's points, by tier id.
EarningRule.active: Whether the rule gives anything.
EarningRule.validity: When the rule gives, beside its first and its last day.
Validity.starts_at: The instant from which it gives.
Validity.ends_at: The instant from which it gives no more.
Validity.hours: At which hours, in the project's time zone; empty: at all.
DailyHours.from: The hour at which it begins, like `08:30`.
DailyHours.to: The hour before which it ends; not later than `from`: on the next day.
weekdays: On which days of the week, 1 = Monday to 7 = Sunday; empty: on all.
recurrence: For a while again and again.
duration: For so long, such as `PT1H`.
interval: Once in so long, such as `P1D`, counted from `starts_at`.
at_least: How many minor units the order is of, at least.
ends_on: The last day, in the project's time zone.
formula: The calculation, such as `amount / 100 * 2`.
limit: How much one member may get.
CustomEvent.name: The name of the custom activity.
AttributeBecomes.name: The name of the attribute.
OrderPaid.metadata: The values that the order's metadata has.
CustomEvent.metadata: The values that the event's metadata has.
Birthday.attribute: The attribute that holds the date, as `1990-05-17` or `05-17`.
TierTrigger.events: The kinds of tier events.
TierTrigger.tier: The tier moved to; of `left` the one left; null: any.
PointsPer.of: The number: `amount`, `metadata.<key>` or `attribute.<name>`.
Limit.points: How many points at most.
per: In which calendar period; null: ever.
starts_on: The first day, in the project's time zone.
times: How often at most.
trigger: What gives the points.
activity: What would be answered to the activity.
actor: Who asserts it.
address: The address that was really dialled.
CustomerBody.address: Where the customer lives; replaced as a whole.
CustomerAnswer.address: Where the customer lives.
advance_to: The instant to which the sandbox's clock moves.
after: Go on after this cursor, the `next` of an earlier answer.
Start.after: How long after the tier is reached, as an ISO 8601 period.
algorithm: How the signature is made.
amount: Money in minor units of the project's currency.
anchor: The day from which the periods are counted.
answer: What the receiver answered.
api: Where the API is described.
assessment: When tiers are judged, upwards and downwards.
at: The instant, ISO 8601 in UTC.
AtQuery.at: As of this past or future instant.
ExplainQuery.at: As of this instant.
VersionQuery.at: The version in force at this instant.
attempts: The attempts, newest first.
attributes: Facts about the person that criteria may ask for.
auto_join: Whether a first activity enrols its customer.
available_at: Until this instant the points are pending.
balance: The points that can be spent.
based_on: The newest version that the caller knows of; 0 for a new program.
balance_before: The balance without the activity.
basis: From where a renewed term is counted.
batch: Several events in one request, where wanted.
because: How it hangs together, in words.
before: Only what happened before this instant.
begins: When the opportunity begins.
begins_at: The instant at which it begins.
birthdate: A date like 1990-12-31, or --12-31 where the year is not known.
body: The start of the body.
bytes_max: How many bytes of events go into one request.
ca: A certificate authority to trust, PEM.
cause: Why the tier changed.
change: By how many points they changed; of points that become active, how many do.
PointsEventObject.points: The member's points right after it.
PointsEventObject.entry: The number of the ledger entry that brought it; null: time did.
PointsEventObject.key: The caller's key of the activity that brought it.
PointsEventObject.rule: The earning rule that gave a bonus.
changed_meanwhile: Members who changed while the preview worked.
checkpoint: When the standing was noted as a fact, behind which nothing is corrected; null: never.
city: The town.
client_certificate: A client certificate, PEM; in answers whether there is one.
client_key: The client certificate's key, PEM.
clock: A sandbox's own time; null for wall time.
code: A stable code of the error.
connect: Milliseconds until the connection stood.
connect_ms: How long a connection may take to stand, in milliseconds.
correction_start: The checkpoint behind which a retroactive correction did not reach.
corrections: What a refund or a late entry may do to a tier that was granted.
counted: The entries that make up the total.
counted_from: The civil day from which the rule gives this end.
country: The country, as its people write it.
counts: How much it adds to the total.
counts_from: From when on it counts.
created_at: When it was made.
criterion: What the tier asks for.
crossing: What an activity that crosses into a tier earns at.
currency: The currency, ISO 4217.
customer: The customer's id in the caller's own systems, else ours.
Activity.customer: The customer's id in the caller's own systems; not needed where `of` is.
customer_id: Our id of the customer.
data: What happened.
datacontenttype: The media type of `data`.
day: The civil day.
days: How many days.
deferred: Tiers that are earned already and begin later.
delivery: The id of the send-out, the same for every attempt; also `webhook-id`.
description: For the caller's own orientation.
detail: What is wrong and what was expected, in a sentence.
details: What is missing and what to do, a sentence for each.
disabled_at: When it was disabled; null while it opens its door.
dns: Milliseconds until the name was resolved.
done: How many members are judged.
down: When a member may fall.
due_at: When the next attempt is due.
earned: Points earned so far.
PreviewAnswer.earned: Members by the tier that their totals reach under the new rules.
earning: What the tier earns at.
edge: Which end of the unit.
effective_at: From when on the rules are in force.
email: An address of theirs.
end: The civil day after the last one.
endpoint: The endpoint that it is about.
endpoints: The endpoints.
ends_at: The instant at which the term ends, exclusive.
enrolled_at: Since when they are a member.
entry: The number of the ledger entry.
Tier.entry: What entering the tier asks for, where bounds are not enough.
errors: Every finding, where there are several.
event: The event's id.
events: The events.
PreviewAnswer.events: How many events of each kind would be announced.
EndpointLag.events: How many events that it hears it is behind, counted up to 10,000.
AttemptRequest.events: The ids of a batch's events.
TestAnswer.events: The ids of a batch's events.
events_max: How many events go into one request.
every: Points are granted per so many minor units.
expired: Points expired so far.
expires_at: When it ends, exclusive; null: it does not.
expiry: When points expire.
explanation: The arithmetic under the new rules.
extend: For how much longer, as an ISO 8601 period.
extended: Whether a vendor's envelope holds our own event as one more key, `tierline`.
failed: How many members could not be judged.
failures: Who could not be judged, and why.
fault: Why no answer came.
filter: Which of them count, or are heard.
first_at: When the first attempt was made.
first_byte: Milliseconds from the last byte sent to the first one received.
fixed: Points instead of those that the activity would earn.
at_expiry: What will be counted when the tier ends, if nothing else happens; null: it has no end.
forecast_tier: The tier that time alone leads to.
format: The wire format, or the vendor whose settings these are.
format_version: The frozen version of the format's payloads; an empty text raises it to the newest.
former: Members who left before, and are not counted.
formula: Where the end comes from, in words.
from: The lower bound, inclusive; of a preview the tier without the change.
from_day: The civil day from which it holds.
grace: How long a tier is kept beyond its term.
grace_rounding: To which date the grace is rounded.
grace_until: When the grace ends.
headers: Header fields; in answers about an endpoint, their names.
held: The tier that the rules grant.
held_tier: The tier that the rules grant.
hidden: Whether the tier can only be given by hand.
holds: Whether it holds now.
id: The id.
CustomerBody.id: An imported id, fixed once the customer exists.
ReleaseQuery.id: Which override; without it, all of them.
TestAnswer.id: The id of the send-out.
ids: The ids of the events.
in_flight_max: How many requests may be under way at once.
in_transit: Points sent to other customers that have not arrived yet.
include_pending: Whether pending points count.
inclusive: Whether the day of the end is still valid.
invitation: Whether the tier can only be given by hand, and is shown.
is: The value that the attribute must have.
jitter: A share of each step that is added at random.
joined_at: Since when they are a member.
k: How many of the parts must hold.
key: The idempotency key: the same key with the same body counts once.
NewKeyAnswer.key: The secret token, for the only time.
keys: The keys.
kind: Which kind.
kinds: Which kinds; empty: all.
known_at: By what was known at this instant.
label: For the caller's own orientation.
ladder: The tiers, lowest first, and whether each one's criterion holds.
lag: How far the endpoint is behind the log.
lanes: Customers whose events wait after a failure, the oldest first.
lapse: What follows where a term ends and the tier is not earned again.
last_event: The last change of their tier.
last_valid_day: The last civil day on which the tier is valid.
length: How long, as an ISO 8601 period.
limit: How many at most.
line_1: Street and number.
line_2: What else the post needs to know.
manual: Whether an override decides the tier.
mapping: The body in the receiver's own words: a template.
matrix: Members by the tier without the change and with it.
measures: Further totals, by name, for criteria to ask for.
member: Whether they are a member now.
DryRunAnswer.member: The member as they would be then.
members: How many members.
metadata: Free facts of the caller's own.
metric: What is counted; null: the policy's own metric.
ProgressAnswer.metric: The policy's own metric in today's window.
min_stay: How long a tier is held at least.
missing: What is not there.
mode: In which order events go: per customer, all in one line, or in none.
month: The month, 1 to 12.
more: Whether there is more to read at once.
moved: How many members would change their tier.
moves: Whether the tier is another one, not the same under a new id.
multiplier: How much is earned, in percent.
name: The name.
names: Names that the customer has besides, by kind; of a filter, names of custom events.
needed: How much more of the metric is needed; null: by other criteria.
next: Where to go on: the cursor, or the instant, of the next page.
next_expiry: The points that expire next.
not_metadata: Metadata that must not be there.
number: The number.
CustomerBody.number: An imported number, fixed once the customer exists.
occurred_at: When it happened; without it, when it is recorded.
of: The key of the activity that it reverses; of a criterion its parts; of a metric what is summed.
offset: The event's number in its shard's log.
oldest_at: When the oldest event that is still owed was recorded.
on_change: What becomes of members when the rules come into force.
opportunities: What reaches a higher tier, nearest first.
orders: What orders earn.
otherwise: How many events of each kind would be announced without the change.
outcome: What followed.
overlap: For how many seconds the secret so far goes on signing beside the new one.
overrides: Assertions over the computed tier.
parked: What to do with a lane whose retries are used up; in lag, how many such lanes there are.
partitionkey: Our id of the customer: events of one key are in order.
path: The field that is meant.
pause_after_s: An endpoint is paused that failed for so many seconds.
pause_count: And so many times in a row.
pending: Points that were granted and are not active yet.
pending_days: For how many days points are pending.
phone: A phone number of theirs.
points: Points.
ProgramBody.points: How points come and go.
PreviewBody.points: How points come and go.
ProgramAnswer.points: How points come and go.
TierEvent.points: The member's points right after the change.
policy: The rules that decide tiers.
postal_code: The postal code.
presentations: What only a vendor's payloads speak of, by vendor.
preview: The report.
problem: What went wrong.
program: The program's id.
programs: The programs; of an endpoint ids, empty for all.
progress: How far the preview is.
MemberAnswer.progress: What has been reached, and what is needed.
project_id: The project's id.
proxy: An HTTP proxy to send through.
public_key: The public half of a signing key, for receivers to verify with.
qualified: The tier that the totals earn now.
qualified_tier: The tier that the totals earn now.
quiet: Whether nothing is announced; of an event, that its own endpoint does not hear of it.
rate_per_s: How many requests a second are sent at most.
delay_s: How many seconds after it was recorded an event is sent at the earliest.
ready: Where to ask whether the server is ready.
reason: Why, in a sentence.
recorded_at: When it entered the log.
reentry: What entering the tier again asks for.
renewal: How a tier is renewed that is earned again.
repeated: Whether this key was answered before, and nothing was done again.
replay: The number of the replay that it belongs to; null: none.
replays: The numbers of the replays that are not over.
reread: How many members had to be judged from the ledger.
reread_entries: How many entries that took.
restart: What starts a new term.
retain: What keeping the tier asks for.
retention: What keeps the tier beyond its end.
retry: When a failed delivery is tried again: a preset's name, or a schedule.
retrying: How many lanes are being tried again.
reused: Whether a connection was used that stood already.
revision: Rises with every change; in a change, the one that is meant to be changed.
risks: What happens to the tier if nothing else does.
round_to: To which multiple points are rounded down.
rounding: To which date the end is rounded.
rule: Which rule decides.
rules: The parts of the policy that decide when a tier comes and goes.
run: The number of the replay.
samples: Members of each cell, with their arithmetic; in a request, how many of each.
schedule: Seconds to wait before each further attempt.
scopes: What the key may do; in a request empty for all that the calling key may.
secret: What signs webhooks, `whsec_…` or `whsk_…`; answered for the only time.
seq: The number of the event among the member's own.
sequence: The number of the event among the member's own, in ten digits.
set_at: When the end was last set or moved.
set_by: The number of the entry that set it; null: time did.
settings: The vendor's own words for the program.
severity: Whether it is an error or a warning.
signatures: Which secret signs which header of a delivery, and which answer showed it.
signs: Which header the signing secret signs, and how.
since: Since when.
EventsQuery.since: From this instant on; in a sandbox, of its own time.
source: Where it comes from.
Metric.source: What is counted.
source_id: The customer's id in the caller's own systems.
specversion: The version of CloudEvents.
spent: Points spent so far.
start: The first civil day that counts.
Policy.start: When a tier that was reached begins.
PolicyParts.start: When a tier that was reached begins.
started: The civil day on which the tier began.
starts_at: When it begins.
state: The state that it is in.
Address.state: The state, province or county.
AddressAnswer.state: The state, province or county.
status: The HTTP status; 0 or null: no answer came.
Healthy.status: Always `ok`.
Ready.status: Whether this process does its work, and the installation all of its.
subject: The customer's id.
superseded: Whether a later version took its place before it came into force.
supersede: Drop a version that is scheduled for later.
tell_grace: Whether keeping a tier that is not earned any more is announced.
term: How long a tier is held.
ExplanationAnswer.term: Where the dates of the held tier come from.
then: What follows when it ends.
thin: Whether payloads hold ids alone.
tier: The tier; null: none.
tier_before: The tier without the activity.
tier_from: The tier before.
tier_to: The tier afterwards.
tierline: Our own event, where the endpoint is `extended`.
tiers: The tiers, lowest first; of an endpoint, those whose comings and goings it hears.
tiers_before: The tiers without the change.
time: When it happened.
time_zone: The time zone, as in `Europe/Berlin`.
timeout_ms: How long an attempt may take, in milliseconds; null: as the format's vendor waits.
timestamp: When it happened.
timings: Milliseconds of each phase.
title: The status in words.
tls: Milliseconds until the connection was encrypted.
to: The upper bound, inclusive; null: open.
Activity.to: The customer who gets the points of a transfer.
Transfer.to: The customer who gets the points.
Count.to: The tier under the new rules.
SampleAnswer.to: The tier under the new rules.
to_next: What the next tier needs.
to_retain: How much more of the metric keeps the tier.
tolerance: For how long an endpoint may fail.
took_ms: How long it took, in milliseconds.
total: The sum.
PreviewProgress.total: How many members there are.
Timings.total: Milliseconds of all phases.
totals: The metric and the measures, in their windows.
transfer: What became of a transfer.
type: Which kind it is.
Problem.type: A URN that names the code.
unit: The unit of the calendar.
until: When it ends, exclusive.
up: When a member may rise.
updated_at: When it last changed.
url: Where it goes.
valid_until: Until when that holds.
value: What it was held against.
vendor_id: The id under which a vendor's own API made it.
vendor_secret: What signs the vendor's own header; null: the project's secret; shown once.
version: The number of the program's version; of the product, its version.
versions: All versions, newest first.
wait: For how many seconds to wait for the first event.
waiting: A tier that is earned and begins later, and when.
when: When it begins.
window: Over which time it is counted.
"""

DESCRIPTIONS: dict[str, str] = dict(
    line.split(": ", 1)
    for line in (OPERATORS + ORDERS + LISTS + POLICY + REMINDERS + _TEXT).splitlines()
    if line
)
