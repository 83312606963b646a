"""Ten reasons of an expert in support tickets, written after reading train tickets alone.

docs/analysts-guide.md tells how they came about.
"""

from ml_backend.sources.writing import TaskText, rationale

__all__: list[str] = []

EXPERT = {"by": "Ada Reed", "when": "2026-11-30"}


@rationale("Cancellation", **EXPERT)
def wants_it_to_end(text: TaskText) -> object:
    """They ask to end, pause or not renew something, whatever the reason."""
    ending = text.mentions("cancel", "terminate", "unsubscribe", "withdraw", "revoke", "wind up", "notice period")
    leaving = text.mentions("close my account", "close account", "delete my", "auto-renewal", "membership", "trial")
    return (ending + leaving).affirmed()


@rationale("Shipping", **EXPERT)
def awaits_a_parcel(text: TaskText) -> object:
    """It has not arrived yet, or not where it should. What has arrived is a return."""
    parcel = text.mentions(
        "parcel", "courier", "tracking", "delivery", "carrier", "driver", "customs", "ship", "arrive"
    )
    return parcel and not text.mentions("return", "send back", "sent back", "damaged", "broken", "cancel", "refund")


@rationale("Billing", **EXPERT)
def speaks_of_a_bill(text: TaskText) -> object:
    """A bill, a payment or what is on a statement. Money for what was sent back is a return."""
    bill = text.mentions("invoice", "charge", "receipt", "VAT", "debit", "statement", "overcharge", "payment", "bill")
    return bill and not text.mentions("send back", "sent back", "returned", "parcel")


@rationale("Billing", **EXPERT)
def names_an_amount(text: TaskText) -> object:
    """An amount of money next to a word for paying."""
    paying = text.mentions("paid", "pay", "price", "cost", "took", "credit", "owe", "fee")
    return paying.near(text.numbers(), within_words=6) and not text.mentions("return", "cancel", "parcel")


@rationale("Returns", **EXPERT)
def goes_back(text: TaskText) -> object:
    """It arrived and goes back, or is to be exchanged."""
    return text.mentions(
        "return", "send back", "sending back", "sent back", "exchange", "swap", "replacement", "wrong size", "pinch"
    ).affirmed()


@rationale("Returns", **EXPERT)
def arrived_wrong(text: TaskText) -> object:
    """Goods that are here, and are broken, incomplete or others than were ordered."""
    wrong = text.mentions("crack", "broken", "missing", "hole", "expired", "dead", "without", "only one", "instead")
    here = text.mentions("box", "came", "received", "arrived", "new one", "another one", "fresh", "replace", "got")
    return wrong and here and not text.mentions("code", "card", "account", "payment", "cancel", "courier", "tracking")


@rationale("Account Access", **EXPERT)
def cannot_get_in(text: TaskText) -> object:
    """They lack what lets them in, or somebody else got in."""
    return text.mentions(
        "password", "log in", "login", "sign in", "sign-in", "PIN", "verification code", "locked", "unlock", "hacked",
        "two-factor", "backup code", "invite", "SSO", "authenticator", "text code",
    )  # fmt: skip


@rationale("Technical Fault", **EXPERT)
def does_not_work(text: TaskText) -> object:
    """A program or a device does something wrong, or nothing at all."""
    thing = text.mentions(
        "app", "page", "screen", "firmware", "update", "software", "export", "file", "button", "display", "sync",
        "sound", "notification", "scanner", "print", "save", "server", "video", "click", "build", "settings", "battery",
        "import",
    )  # fmt: skip
    fault = text.mentions(
        "error", "crash", "freeze", "stop", "empty", "blank", "won't", "doesn't", "nothing", "fail", "close", "loop",
        "disconnect", "disappear", "twice", "black", "slow", "wrong", "blink", "bug", "reject", "hours late", "gone",
    )  # fmt: skip
    other = text.mentions("log in", "password", "sign in", "charged", "invoice", "order", "code", "parcel", "payment")
    return thing and fault and not other


@rationale("Product Question", **EXPERT)
def asks_before_anything_happened(text: TaskText) -> object:
    """They ask what it is, does or fits, and nothing has gone wrong."""
    question = text.matching(r"(?:^|[.!?,:] )(?i:does|do|is|are|can|will|would|what|what's|which|how)\b[^.!]*\??")
    happened = text.mentions(
        "order", "refund", "cancel", "return", "parcel", "invoice", "charge", "password", "log in", "error", "account",
        "deliver", "ship", "payment", "paid", "arrive", "back", "VAT", "send", "sign in", "terminate", "leave", "code",
        "broken", "nobody",
    )  # fmt: skip
    return question and not happened


@rationale("Complaint", **EXPERT)
def was_treated_badly(text: TaskText) -> object:
    """How they were treated is the point, and there is nothing left to repair."""
    return text.mentions(
        "complaint", "complain", "rude", "unacceptable", "disappointed", "apology", "sorry", "manners", "disgraceful",
        "unprofessional", "joke", "waste of time", "hung up", "treated", "poor", "dishonest", "on hold", "mocked",
        "laughed", "tasteless", "shame",
    )  # fmt: skip
