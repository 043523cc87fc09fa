"""What the fields mean that only operators see: part of `field_descriptions`."""

from __future__ import annotations

from typing import Final

OPERATORS: Final = """
RootAnswer.console: Where the pages for people are; absent where they are not served.
RevocationBody.token: The token that is to end.
TokenBody.scopes: What the token may do, of what the key may; empty: all of it.
TokenAnswer.token: Sent as `Authorization: Bearer` in place of the key.
TokenAnswer.scopes: What the token may do.
TokenAnswer.expires_at: When it ends.
AuditEntry.actor: The key's or the user's id; at the command line, the user of the operating system.
AuditQuery.actor: Only what this key, user or user of the operating system did.
KeyLine.beginning: The first characters of its token, or of the id beside that; empty for old ones.
KeyLine.last_used_at: When it was used last, to the minute; null: not yet.
actor_kind: Whether a key, a user, the command line or the system itself acted.
SessionLine.address: The address of the network from which it began.
AuditEntry.after: What it was changed to.
AuditQuery.after: The `next` of an earlier answer.
SessionLine.agent: What the browser says of itself.
AuditEntry.at: When it was changed, in wall time.
DeletionBody.confirm: The id of what is deleted, again; without it nothing is.
ProjectDeletion.customers: Customers who are erased, one by one, in the background.
ProjectDeletion.deleted: Whether it is deleted now; `false` of a dry run.
ProjectDeletion.endpoints: Endpoints that end; what they are owed is owed no more.
ProjectDeletion.entries: Entries of ledgers that go with the memberships.
ProjectDeletion.keys: Keys that end, the one that asks, too.
ProjectDeletion.members: Memberships that go, in all of the programs.
ProjectDeletion.programs: The programs that go.
ProjectDeletion.project: The project's id, which is not given again.
ProgramDeletion.deleted: Whether it is deleted now; `false` of a dry run.
ProgramDeletion.endpoints: Endpoints that name it among their `programs`; they stay.
ProgramDeletion.entries: Entries of ledgers that go with the memberships.
ProgramDeletion.events_kept: Events told of its tiers; they stay, and are still delivered.
ProgramDeletion.members: Memberships that go, of people who left, too; the customers stay.
ProgramDeletion.program: The program's id, which is not given again.
ProgramDeletion.transfers: Transfers under way that go with the memberships.
ProgramDeletion.versions_kept: Versions of its rules, which stay to name the tiers in events.
EndBody.at: From this instant on it takes nothing new.
LaneAnswer.attempts: How often the lane's first event was tried.
AuditEntry.before: What it was before.
CustomerData.changes: What operators changed of the person, newest first.
CustomerData.customer: Our id, and the profile as it is stored.
CustomerData.deliveries: Attempts of webhooks that told of them, with the start of each answer.
CustomerData.entries: The entries of their ledgers, with their keys.
CustomerData.events: Their events, each with the profile as it was then.
CustomerData.memberships: All that the engine knows of each membership.
CustomerData.names: What they are called, by kind.
CustomerData.orders: Their orders that were told whole.
CustomerData.transfers_under_way: Points that left them and have not arrived yet.
changes: The changes, newest first.
ChangeRequestLine.based_on: The program's newest version when it was proposed; 0: a new program.
ChangeRequestAnswer.based_on: The program's newest version when it was proposed; 0: a new program.
path.change: The id of the proposed change.
ChangeRequestLine.effective_at: From when on; null: from its approval on.
ChangeRequestAnswer.effective_at: From when on; null: from its approval on.
ChangeRequestBody.reason: Why, for whoever approves.
ChangeRequestLine.reason: Why, in the words of whoever proposed it.
ChangeRequestAnswer.reason: Why, in the words of whoever proposed it.
ChangeRequestAnswer.rules: The rules that were proposed.
ChangeRequestsQuery.after: The `next` of an earlier answer.
ChangeRequestsQuery.program: Only changes of this program.
ChangeRequestsQuery.state: Only changes in this state.
ChangeRequestList.next: Where older changes begin, or null.
ChangeRequestLine.version: The version that holds the rules since it was approved, or null.
ChangeRequestAnswer.version: The version that holds the rules since it was approved, or null.
decided_at: When it was approved, rejected or withdrawn, in wall time; null: not yet.
decider: Who did; null: nobody yet.
outdated: Whether the program was changed since, so that it can only be turned down.
program_approval: Whether a program changes only when another person has approved it.
proposed_at: When it was proposed, in wall time.
proposer: Who proposed it: the key's or the user's id.
proposer_kind: Whether a key or a user proposed it.
CallbackQuery.code: The provider's code.
ReplayAnswer.complete: Whether `events` is the exact count, not only a lower bound.
csrf_token: What changes by this session carry in `X-CSRF-Token`.
current: Whether it is the session that asks.
AuditQuery.customer: Only changes of this customer, by any name of theirs.
AttemptLine.detail: The request and what came back.
dry_run: Only say what it would do, and record nothing.
ReplayBody.dry_run: Only count what would be sent.
erased_at: When the text went; it is the same however often it is asked for.
ended_at: From when on it takes nothing new, or null.
AuditEntry.entry: The number of the ledger's entry that it made, of changes of members.
ReplayBody.everything: All that the log holds, where nothing narrows it.
SignatureAnswer.header: The header field that holds the signature.
AuditEntry.id: The id of the line.
AuditEntry.kind: What was done, like endpoint.paused.
AuditQuery.kind: Only this kind, or all kinds with this first part.
AuditAnswer.next: Where older lines begin, or null.
object: The id of what was changed; of members, our id of the customer.
password: The password.
AuditEntry.program: The program, of changes of members.
EndpointBody.program: Short for one of `programs`.
ProgramState.program: The program's id.
GrantAnswer.project: The project's id; `*` is every one.
ProjectState.project: The project's id.
role: What the user may do in the project.
roles: The user's roles.
SignatureAnswer.secret: The name of the secret that makes it, of the endpoint or of its project.
seen_at: When it was last used, to the minute.
SessionAnswer.session: The session's id.
path.session: The session's id.
sessions: The sessions, newest first.
AuditQuery.since: Not before this instant.
EndpointAnswer.since: Hears what was recorded from this instant on; in a sandbox, of its own time.
EndpointBody.since: Hear what was recorded from this instant on; in a sandbox, of its own time.
ReplayBody.since: Events recorded from this instant on; in a sandbox, of its own time.
RewindBody.since: Everything recorded from this instant on; in a sandbox, of its own time.
Schedule.since: From which attempt the seconds are counted.
SignatureAnswer.since: From when on it signs; null: from the beginning.
SignatureAnswer.source: Which answer showed that secret.
CallbackQuery.state: What the browser was sent there with.
ProgramState.state: Whether it takes new activities.
ProjectState.state: Whether its programs take new activities.
UserLine.state: Whether they have been invited, sign in, or are let in no more.
token: The secret of a one-time link.
AuditQuery.until: Before this instant.
SignatureAnswer.until: When it ends, after a rotation; null: it goes on.
InvitationAnswer.user: Who is invited.
SessionAnswer.user: The user's id.
SessionLine.user: The user's id.
path.user: The user's id.
users: The users, oldest first.
class: Which events: of tiers, of points, reminders, or those for operators.
warn_after_s: An endpoint is said to be failing after so many seconds.
warn_count: And so many failures in a row.
warnings: What works, but probably not as meant.
"""
