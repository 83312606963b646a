"""Cards: getting, using, losing them, and their PINs."""

from _topics import (
    broken,
    card,
    cash,
    declined,
    fee,
    how_long,
    not_about,
    payment,
    top_up,
    transfer,
    virtual,
)

from ml_backend.sources.writing import TaskText, rationale


@rationale("activate_my_card")
def activates_a_card(text: TaskText):
    """Activation, unless the card was lost and found again."""
    return text.mentions("activate", "activation") and not text.mentions(
        "found", "reactivate", "re activate", "deactivate"
    )


@rationale("card_linking")
def links_a_found_card(text: TaskText):
    """The lost card was found, or is put back or linked to the account."""
    return text.mentions("link", "found", "reactivate", "re activate", "put back", "linking") and text.mentions(
        "card", "app"
    )


@rationale("card_arrival")
def awaits_a_card(text: TaskText):
    """A card that was ordered has not come, or is to be tracked."""
    if not text.mentions("card") or not not_about(text, top_up, payment, virtual, cash):
        return None
    return text.mentions("track", "status", "still waiting", "lost in the mail") or text.matching(
        r"(?:n't|not|yet to|hasnt|havent|never|still)(?: \w+){0,5}? ?(?:arriv|receiv|come|came|gotten|got\b|here|show)"
    )


@rationale("card_delivery_estimate")
def asks_how_long_delivery_takes(text: TaskText):
    """How long it takes until a card is there, in general or in a hurry."""
    asks = how_long(text) or text.mentions(
        "estimate", "express", "faster", "rush", "expedite", "quicker", "specific date", "choose"
    )
    return asks and text.mentions(
        "deliver", "delivery", "ship", "shipping", "card to arrive", "receive my card", "get my card"
    )


@rationale("card_about_to_expire")
def card_expires(text: TaskText):
    """It is about to expire."""
    return text.mentions("expire", "expiration", "expiry", "china") and text.mentions("card", "expire")


@rationale("card_acceptance")
def where_is_it_accepted(text: TaskText):
    """Where one can pay with it."""
    if not not_about(text, top_up, cash, virtual, declined):
        return None
    return text.matching(
        r"(?:where|what|which|any|every|all|list|anywhere)(?:\b.{0,40})"
        r"(?:accept|use (?:my|the|this) card|take (?:my|this|the) card)"
    ) and not text.mentions("country", "countries", "currency", "currencies", "atm")


@rationale("card_not_working")
def card_is_broken(text: TaskText):
    """The card itself does not work, no payment in particular."""
    return (
        card(text)
        and broken(text)
        and not_about(text, virtual, cash, top_up, transfer, declined)
        and not text.mentions("contactless", "payment", "activate", "lost", "stolen", "someone", "phone", "pin")
    )


@rationale("card_swallowed")
def machine_kept_the_card(text: TaskText):
    """A machine kept it."""
    return text.mentions(
        "swallow",
        "ate",
        "eat",
        "eaten",
        "stuck in",
        "kept my card",
        "retain",
        "stuck inside",
        "card back",
        "took my card",
        "didn't return",
        "stuck",
        "machine took",
    ) and text.mentions("card")


@rationale("change_pin")
def changes_the_pin(text: TaskText):
    """Another PIN is wanted."""
    return (
        text.mentions("change", "changing", "reset", "new", "compromised", "update", "set")
        and text.mentions("pin")
        and not text.mentions("blocked", "passcode", "tries", "locked", "arrive", "get my pin", "unblock")
    )


@rationale("pin_blocked")
def pin_is_blocked(text: TaskText):
    """A wrong PIN too often."""
    return (
        text.mentions(
            "blocked",
            "unblock",
            "block",
            "tries",
            "attempts",
            "too many times",
            "wrong pin",
            "locked",
            "unlock",
            "incorrectly",
        )
        and text.mentions("pin", "card", "account", "code")
        and not text.mentions("stolen", "lost", "passcode", "transfer", "stole")
    )


@rationale("get_physical_card")
def where_is_the_pin(text: TaskText):
    """Where the PIN is found or when it comes; the label's name misleads."""
    return (
        text.mentions("pin")
        and text.mentions(
            "where",
            "find",
            "receive",
            "get",
            "got",
            "arrive",
            "separately",
            "passcode",
            "set up",
            "see",
            "access",
            "when",
            "same",
        )
        and not text.mentions(
            "change", "blocked", "unblock", "tries", "wrong", "cash machine", "atm", "reset", "forgot"
        )
    )


@rationale("compromised_card")
def somebody_else_uses_it(text: TaskText):
    """Somebody uses the card or knows its details."""
    return text.mentions(
        "someone is using",
        "someone else is using",
        "using my card",
        "compromised",
        "my permission",
        "used my card",
        "card details",
        "card information",
        "stole my card number",
        "security breach",
        "hacked",
        "copied",
        "cloned",
        "fraudulent transaction",
        "someone may",
        "someone might",
        "freeze",
    ) and not text.mentions("pin", "phone", "withdrawal", "atm", "cash")


@rationale("lost_or_stolen_card")
def card_is_gone(text: TaskText):
    """The card is lost or stolen."""
    return (
        text.mentions(
            "lost", "stolen", "stole", "missing", "can't find", "misplace", "wallet", "fell out", "took my card", "lose"
        )
        and text.mentions("card", "wallet", "purse")
        and not text.mentions("found", "phone", "identity", "arrive", "mail", "details", "number", "atm")
    )


@rationale("lost_or_stolen_phone")
def phone_is_gone(text: TaskText):
    """The phone is lost or stolen, and with it the app."""
    return (
        text.mentions("phone", "mugged", "everything", "app", "mobile")
        and text.mentions("lost", "stolen", "stole", "missing", "mugged", "lose", "left", "robbed", "took everything")
        and not text.mentions("card", "number", "topped up", "top up")
    )


@rationale("contactless_not_working")
def contactless_fails(text: TaskText):
    """Contactless payment does not work."""
    return text.mentions("contactless", "contact less", "terminal", "tap")


@rationale("atm_support")
def which_machines(text: TaskText):
    """Which cash machines take the card."""
    return (
        text.mentions("atm", "atms", "cash machine", "withdraw", "draw money")
        and text.matching(r"\b(?:which|what|all|any|where|only|specific|nearest|find|closest|certain|accepts?)\b")
        and not_about(text, fee, declined, broken)
        and not text.mentions(
            "pin",
            "wrong",
            "amount",
            "swallow",
            "not",
            "pending",
            "statement",
            "app",
            "happened",
            "my card back",
            "did",
            "steps",
        )
    )


@rationale("getting_spare_card")
def wants_a_second_card(text: TaskText):
    """A second card, often for somebody else."""
    return (
        text.mentions(
            "second card",
            "another card",
            "additional card",
            "extra card",
            "more cards",
            "supplementary",
            "spare",
            "add another",
            "two cards",
            "second",
            "additional",
            "more than one card",
            "card for my",
            "one more card",
            "other card",
        )
        and text.mentions("card", "cards")
        and not_about(text, virtual, payment)
        and not text.mentions("charged", "expire")
    )


@rationale("order_physical_card")
def wants_a_real_card(text: TaskText):
    """A card to hold is wanted."""
    return (
        text.mentions(
            "physical card",
            "real card",
            "order a card",
            "order my card",
            "actual card",
            "card be sent",
            "cards transported",
            "get a card",
            "own card",
            "hold of a card",
        )
        and not_about(text, virtual, broken)
        and not text.mentions(
            "expire", "country", "us", "usa", "uk", "live", "countries", "eu", "europe", "visa", "mastercard"
        )
    )
