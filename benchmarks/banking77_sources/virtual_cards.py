"""Virtual cards, where cards are accepted, and what becomes of payments."""

from _topics import (
    broken,
    card,
    cash,
    declined,
    failed,
    fee,
    how_long,
    limit,
    not_about,
    payment,
    top_up,
    transfer,
    virtual,
)

from ml_backend.sources.writing import TaskText, rationale


@rationale("getting_virtual_card")
def wants_a_virtual_card(text: TaskText):
    """A virtual card that is not disposable."""
    return (
        text.mentions("virtual")
        and not text.mentions("disposable", "throwaway")
        and not_about(text, broken, declined, limit)
    )


@rationale("get_disposable_virtual_card")
def wants_a_disposable_card(text: TaskText):
    """What disposable cards are, and how to get one."""
    return (
        text.mentions("disposable", "throwaway", "disposable virtual card")
        and not_about(text, broken, declined, limit)
        and not text.mentions("per day", "a day", "number of")
    )


@rationale("disposable_card_limits")
def how_many_disposable_cards(text: TaskText):
    """How many, and how often."""
    return text.mentions("disposable", "throwaway", "virtual card") and (
        limit(text) or text.mentions("per day", "a day", "number of", "several", "multiple")
    )


@rationale("virtual_card_not_working")
def virtual_card_fails(text: TaskText):
    """It is rejected, or does nothing."""
    return virtual(text) and (broken(text) or declined(text) or failed(text) or text.mentions("accept", "work"))


@rationale("visa_or_mastercard")
def visa_or_mastercard(text: TaskText):
    """Which of the two."""
    return (
        text.mentions("visa", "mastercard", "master card", "mastecard")
        and not_about(text, top_up)
        and not text.mentions("everywhere", "anywhere", "accepts")
    )


@rationale("country_support")
def which_countries(text: TaskText):
    """Where one may live and have it."""
    return (
        text.mentions(
            "country",
            "countries",
            "live in",
            "outside of the uk",
            "in the us",
            "in the usa",
            "outside the uk",
            "not in the uk",
            "eu",
            "european",
            "usa",
            "live",
        )
        and not_about(text, transfer, cash, top_up, fee, how_long)
        and not text.mentions("currency", "deliver", "china", "payment")
    )


@rationale("supported_cards_and_currencies")
def which_cards_for_topping_up(text: TaskText):
    """Which cards and currencies money can be added with."""
    return (
        text.mentions(
            "american express", "amex", "us credit card", "credit cards", "cards and currencies", "currencies and cards"
        )
        or (text.mentions("currency", "currencies", "which cards", "what cards") and top_up(text))
        or (
            text.mentions("supported", "support", "accept")
            and text.mentions("cards", "card")
            and text.mentions("currency", "currencies")
        )
    )


@rationale("declined_card_payment")
def payment_was_declined(text: TaskText):
    """A payment with the card was declined."""
    return (
        (declined(text) or text.mentions("didn't work", "not work", "won't accept", "unsuccessful"))
        and (card(text) or payment(text))
        and not_about(text, transfer, cash, virtual, top_up)
        and not text.mentions("twice", "identity", "contactless", "cancelled", "reverted", "refund")
    )


@rationale("reverted_card_payment?")
def payment_came_back(text: TaskText):
    """A card payment was undone."""
    return (
        text.mentions(
            "revert",
            "reverse",
            "cancelled",
            "canceled",
            "returned",
            "came back",
            "come back",
            "sent back",
            "back into my account",
            "returning",
        )
        and (payment(text) or card(text))
        and not_about(text, top_up, transfer, cash)
        and not text.mentions("how do i", "can i", "refund", "i want", "i need", "how can i cancel", "please cancel")
    )


@rationale("pending_card_payment")
def payment_is_pending(text: TaskText):
    """A card payment that is still pending."""
    return (
        (
            text.mentions("pending")
            or (text.matching(r"(?:n't|not|hasnt|still)(?: \w+){0,4}? (?:gone through|go through|process|show)"))
        )
        and (payment(text))
        and not_about(text, top_up, transfer, cash)
        and not text.mentions("extra", "1", "pound", "refund", "fee", "charge")
    )
