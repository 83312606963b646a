"""Questions that many rationales ask: is it about a top-up, about cash; was it declined, charged, not their own."""

from ml_backend.sources.writing import Matches, TaskText


def top_up(text: TaskText) -> Matches:
    return text.mentions("top up", "topup", "top off", "add money", "added money", "add funds", "adding money")


def cash(text: TaskText) -> Matches:
    return text.mentions(
        "cash",
        "atm",
        "withdraw",
        "withdrew",
        "withdrawn",
        "cash machine",
        "cashpoint",
        "took out money",
        "get money out",
        "take out money",
    )


def transfer(text: TaskText) -> Matches:
    return text.mentions("transfer", "send money", "sent money", "move money", "wire")


def payment(text: TaskText) -> Matches:
    return text.mentions(
        "payment", "pay", "paid", "purchase", "bought", "buy", "merchant", "shop", "store", "restaurant"
    )


def card(text: TaskText) -> Matches:
    return text.mentions("card")


def virtual(text: TaskText) -> Matches:
    return text.mentions("virtual", "disposable", "throwaway")


def fee(text: TaskText) -> Matches:
    return text.mentions("fee", "charge", "cost", "surcharge", "extra", "price", "free")


def rate(text: TaskText) -> Matches:
    return text.mentions("rate", "exchange was wrong", "conversion")


def wrong(text: TaskText) -> Matches:
    return text.mentions("wrong", "incorrect", "not right", "bad", "error", "off", "not correct", "higher", "too much")


def pending(text: TaskText) -> Matches:
    return text.mentions("pending", "in progress", "go through", "gone through", "processing", "still waiting", "stuck")


def declined(text: TaskText) -> Matches:
    return text.mentions("decline", "reject", "refuse", "deny", "denied", "not accepted", "not allowed", "not approved")


def failed(text: TaskText) -> Matches:
    return text.mentions("fail", "go through", "gone through", "error", "unsuccessful", "unable") + text.matching(
        r"(?:n't|not|cannot|won'?t|couldn'?t|unable to|dont|cant) (?:\w+ ){0,3}(?:complete|work|finish|process|make)"
    )


def reverted(text: TaskText) -> Matches:
    return text.mentions(
        "revert",
        "reverse",
        "cancelled",
        "canceled",
        "came back",
        "returned",
        "disappear",
        "pulled back",
        "undone",
        "gone",
        "vanish",
    )


def broken(text: TaskText) -> Matches:
    return text.matching(
        r"(?:n't|not|no longer|never|stopped|won'?t|doesnt|isnt|dont|wont|trouble|issues?|problems?"
        r"|can'?t|cannot|unable)"
        r"(?: \w+){0,4}? (?:work|us(?:e|ing)|function)|\bbroken?\b|not working|stopped working|damaged"
    )


def not_theirs(text: TaskText) -> Matches:
    return text.mentions(
        "not mine",
        "unfamiliar",
        "suspicious",
        "strange",
        "odd",
        "weird",
        "unauthorized",
        "unknown",
        "fraudulent",
    ) + text.matching(
        r"(?:n't|not|never|didnt|dont|did not) (?:\w+ ){0,3}?"
        r"(?:recogni[sz]e|recall|make|made|mak|do\b|authori[sz]e|approve|remember|know who|familiar|mine)"
        r"|(?:unrecogni|n'?t recogni|wasn'?t me|not me\b|not by me|never made)"
    )


def missing(text: TaskText) -> Matches:
    """Something is not there yet."""
    return text.matching(
        r"(?:n't|not|yet to|hasnt|still no|never|isnt|haven'?t|no sign)(?: \w+){0,5}? ?"
        r"(?:show|arriv|receiv|updat|appear|see\b|seen|there\b|reflect|credit|add|visible|come|went|available|gotten|got\b)"
        r"|where(?:'s| is)|when will|how long|missing"
    )


def how_long(text: TaskText) -> Matches:
    return text.mentions(
        "how long", "when will", "how soon", "how quickly", "how fast", "how many days", "when should", "when can"
    )


def identity(text: TaskText) -> Matches:
    return text.mentions("identity", "identify", "id", "verify", "verification", "who i am", "identification")


def limit(text: TaskText) -> Matches:
    return text.mentions("limit", "maximum", "how many", "how much", "restriction", "unlimited", "max", "how often")


def not_about(text: TaskText, *topics) -> bool:
    return not any(topic(text) for topic in topics)
