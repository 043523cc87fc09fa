"""How each of the console's forms is driven: what somebody types, and every button that they press.
They are driven one after the other; those that take something away come last."""

from __future__ import annotations

from msgspec import Struct

MEMBERS = "/programs/club/members"
ANNA = f"{MEMBERS}/anna"
PASSWORD_FIELDS = {"E-mail address": "maya@example.com", "Password": "correct horse battery"}
PEOPLE = "customer,name,points\nzed,Zed,50\nyan,Yan,no\n"  # the second one is refused


class Press(Struct, frozen=True):
    """A button, as the form sends it (`name=value`; nothing where it has no name), its words, and
    the text that stands on the page afterwards."""

    sends: str
    label: str
    text: str


class Drive(Struct, frozen=True):
    """The page to open, what to unfold, to fill in by label, and to press, in turn."""

    page: str
    presses: tuple[Press, ...]
    fill: dict[str, str] = {}
    choose: dict[str, str] = {}
    unfold: str | None = None


def _done(label: str, text: str) -> tuple[Press, ...]:
    return (Press("", label, text),)


def _change(label: str, text: str) -> tuple[Press, ...]:
    """The outcome is looked at first."""
    return Press("try=yes", "Show the outcome", "Will be told"), Press("do=yes", label, text)


_MEMBER = "/programs/{program}/members/{source_id}"
FORMS: dict[str, tuple[Drive, ...]] = {
    "GET /programs/{program}/members": (
        Drive(
            MEMBERS, _done("Enter", "Grace Kim"),
            {"Search by name, e-mail address or id": "Grace"},
        ),
    ),
    f"GET {_MEMBER}": (Drive(ANNA, _done("Home", "Back to now")),),
    "POST /programs/{program}/members": (
        Drive(
            MEMBERS, _done("Enrol", "is a member now"), {"Customer": "zoe"},
            unfold="Enrol a member",
        ),
    ),
    f"POST {_MEMBER}/adjust": (
        Drive(
            f"{ANNA}/adjust", _change("Adjust", "The points are adjusted."),
            {"Points": "5", "Reason": "Parcel"},
        ),
    ),
    f"POST {_MEMBER}/override": (
        Drive(
            f"{ANNA}/override", _change("Give a tier", "The override is set."),
            {"Reason": "Loyal", "Last day": "2027-05-09"}, {"Tier": "gold"},
        ),
    ),
    f"POST {_MEMBER}/attributes": (
        Drive(
            f"{ANNA}/attributes", _change("Set", "The attributes are set."),
            {"Attribute": "vip", "Value": "true"},
        ),
    ),
    f"POST {_MEMBER}/reverse": (
        Drive(
            f"{ANNA}/reverse?of=order-7-anna", _change("Take back", "The activity is taken back."),
            {"Reason": "Sent back"},
        ),
    ),
    f"POST {_MEMBER}/release": (
        Drive(f"{ANNA}/release", _done("Release", "The override is released.")),
    ),
    "POST /endpoints/{endpoint}": (
        Drive("{endpoint}", (
            Press("command=retry", "Retry now", "What waits is tried now."),
            Press("command=pause", "Pause", "nothing is lost."),
            Press("command=resume", "Resume", "It goes on where it stopped."),
            Press("command=test", "Send the test", "The receiver answered"),
            Press("command=rotate", "Rotate", "The new secret"),
        )),
        Drive("{paused}", (Press("command=stop_replay", "Stop it", "The replay has ended."),)),
    ),
    "POST /endpoints/{endpoint}/replay": (
        Drive(
            "{endpoint}/replay",
            (
                Press("try=yes", "Count first", "would be sent again."),
                Press("do=yes", "Send again", "The events are on their way again."),
            ),
            {"upgraded": "yes", "From": "2026-05-10T00:00"},
        ),
    ),
    "POST /endpoints/{endpoint}/edit": (
        Drive(
            "{endpoint}/edit",
            (
                Press("try=yes", "Show a sample", "sample-customer"),
                Press("do=yes", "Save", "The endpoint is changed."),
            ),
            {"Description": "Mail"},
        ),
    ),
    "POST /new-endpoint": (
        Drive(
            "/new-endpoint", (Press("do=yes", "Make the endpoint", "shown now and never again"),),
            {"Address": "http://127.0.0.1:9/hooks"},
        ),
    ),
    "GET /endpoints/{endpoint}/attempts": (
        Drive("{endpoint}/attempts", _done("Search", "evt_"), {"Customer": "ben"}),
    ),
    "POST /changes/{change}": (
        Drive("{unwanted}", (Press("do=turn_down", "Turn down", "The change is turned down."),)),
        Drive("{change}", (
            Press("try=yes", "Who would move?", "Would be announced"),
            Press("do=approve", "Approve", "The change is approved."),
        )),
    ),
    "POST /programs/{program}/edit": (
        Drive(
            "/programs/club/edit",
            (
                Press("try=yes", "Preview", "Who would move"),
                Press("do=yes", "Save", "The rules are saved."),
            ),
            {"Silver from": "300", "Name of gold": "Golden"}, {"Members": "rejudge"},
        ),
    ),
    "POST /new-program": (
        Drive(
            "/new-program", (Press("do=yes", "Make the program", "The rules are saved."),),
            {"Id": "pro", "Name": "Pro"},
        ),
    ),
    "POST /time": (
        Drive(
            "/time", (Press("step=to", "Go there", "The clock went on."),),
            {"Until": "2026-12-20T00:00"},
        ),
        Drive("/time", (
            Press("step=due", "Over the next due day", "downgraded"),
            Press("step=day", "+1 day", "The clock went on."),
            Press("step=month", "+1 month", "The clock went on."),
        )),
    ),
    "POST /settings": (
        Drive("/settings", _done("Save", "The project is changed."), {"Name": "Store"}),
    ),
    "POST /settings/keys": (
        Drive(
            "/settings/keys", _done("Make the key", "Shown now and never again."),
            {"Label": "Till", "read customers": "yes"},
        ),
        Drive("/settings/keys", (Press("disable", "Disable Till", "The key is disabled."),)),
    ),
    "POST /settings/people": (
        Drive(
            "/settings/people", (Press("command=invite", "Invite", "Hand it on yourself"),),
            {"E-mail address": "ben@example.com"},
        ),
        Drive("/settings/people", (
            Press("command=role", "Set the role of ben@example.com", "The role is given."),
            Press("command=reset", "New link for ben@example.com", "Hand it on yourself"),
            Press("command=sign_out", "Sign out ben@example.com", "Their sessions have ended."),
            Press("command=remove", "Take out ben@example.com", "no role here any more"),
        )),
    ),
    "POST /imports": (
        Drive("/imports", _done("Send and try it", "Nothing is written yet."), {"File": PEOPLE}),
    ),
    "POST /imports/{import}": (
        Drive("{moving}", (Press("command=stop", "Stop", "It was stopped"),)),
        Drive("{import}", (
            Press("command=try", "Try it again", "Nothing is written yet."),
            Press("command=run", "Import it", "It is in."),
            Press("command=remove", "Delete the file", "what was imported stays."),
        )),
    ),
    "POST /reference/{operation}": (
        Drive(
            "/reference/test_endpoint", _done("Call this server", '"kind": "upgraded"'),
            {"endpoint": "ENDPOINT"},
        ),
    ),
    "GET /settings/audit": (
        Drive("/settings/audit", _done("Search", "member.overridden")),
    ),
    f"POST {_MEMBER}/leave": (
        Drive(f"{ANNA}/leave", _done("End the membership", "The membership has ended.")),
    ),
    f"POST {_MEMBER}/erase": (
        Drive(
            f"{MEMBERS}/ben/erase", _done("Erase for good", "The customer is erased."),
            {"Type ben": "ben"},
        ),
    ),
    "POST /endpoints/{endpoint}/remove": (
        Drive("{endpoint}/remove", _done("Delete it", "The endpoint is deleted.")),
    ),
    "POST /settings/sessions": (
        Drive("/settings/sessions", (Press("session", "End", "Sign in"),)),
    ),
    "POST /console/sign-in": (
        Drive("", _done("Sign in", "Members per tier"), PASSWORD_FIELDS),
    ),
    "POST /console/sign-out": (
        Drive("", _done("Sign out", "Sign in"), unfold="Project and account"),
    ),
}  # fmt: skip
