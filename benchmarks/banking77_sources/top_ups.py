"""Top-ups and currencies."""

from _topics import (
    card,
    cash,
    declined,
    failed,
    fee,
    how_long,
    limit,
    not_about,
    payment,
    pending,
    rate,
    reverted,
    top_up,
    transfer,
)

from ml_backend.sources.writing import TaskText, rationale


@rationale("transfer_into_account")
def how_to_transfer_in(text: TaskText):
    """How to put money into the account by transfer."""
    return (
        (transfer(text) or text.mentions("deposit"))
        and text.mentions("how", "can i", "need to", "want to", "way to", "where", "do i")
        and text.mentions("my account", "into", "this account", "another bank", "top up", "this one", "my bank")
        and not_about(text, fee, declined, cash, how_long, failed)
        and not text.mentions("cancel", "not", "friend", "wrong", "cheque", "check", "currencies")
    )


@rationale("receiving_money")
def is_paid_into_it(text: TaskText):
    """A salary or money from others comes in, in some currency."""
    return (
        text.mentions(
            "salary",
            "paid in",
            "paycheck",
            "wages",
            "receive money",
            "friends send me",
            "paid out",
            "get paid",
            "send me money",
            "pay me",
            "gbp",
        )
        and not_about(text, top_up, rate, cash)
        and not text.mentions("aud", "usd", "exchange", "recipient")
    )


@rationale("automatic_top_up")
def tops_up_by_itself(text: TaskText):
    """Topping up by itself."""
    return text.mentions(
        "auto",
        "automatic",
        "automatically",
        "auto top",
        "autotop",
        "balance is low",
        "low balance",
        "certain amount",
        "traveling",
    )


@rationale("apple_pay_or_google_pay")
def apple_or_google(text: TaskText):
    """Apple's or Google's wallet."""
    return text.mentions("apple", "google", "apple pay", "google pay", "apple watch", "iphone")


@rationale("pending_top_up")
def top_up_is_pending(text: TaskText):
    """A top-up that is still pending, or not seen yet."""
    return (
        top_up(text)
        and (
            text.mentions("pending", "complete", "still", "available", "yet", "how long")
            or text.matching(r"can'?t (?:see|find)|where")
        )
        and not_about(text, declined, fee, cash, limit)
        and not text.mentions("code", "verify", "revert", "cancel", "transfer", "apple", "google")
    )


@rationale("top_up_failed")
def top_up_failed(text: TaskText):
    """A top-up did not work or was rejected."""
    return (
        top_up(text)
        and (
            text.mentions(
                "fail",
                "reject",
                "denied",
                "decline",
                "didn't work",
                "not work",
                "problem",
                "trouble",
                "didn't go through",
                "not going through",
                "not gone through",
                "wrong",
                "not working",
                "won't",
            )
        )
        and not (text.mentions("pending", "google", "apple", "cheque", "check", "revert", "auto", "cancelled"))
    )


@rationale("top_up_reverted")
def top_up_came_back(text: TaskText):
    """A top-up was undone, the money is gone."""
    return (
        (top_up(text) or text.mentions("money", "funds"))
        and reverted(text)
        and not_about(text, payment, cash, transfer)
        and not text.mentions("refund", "gone through", "apple", "google")
    )


@rationale("top_up_limits")
def how_much_to_top_up(text: TaskText):
    """How much and how often one may top up."""
    return (
        top_up(text)
        and limit(text)
        and not_about(text, fee)
        and not text.mentions("auto", "automatic", "long", "verify")
    )


@rationale("top_up_by_card_charge")
def cost_of_topping_up(text: TaskText):
    """What topping up with a card costs."""
    return (
        top_up(text)
        and text.mentions("fee", "charge", "cost", "free", "extra", "charged")
        and not text.mentions("transfer", "sepa", "swift", "cash", "cheque")
    )


@rationale("topping_up_by_card")
def how_to_top_up_with_a_card(text: TaskText):
    """How to top up with a card."""
    return (
        top_up(text)
        and card(text)
        and not_about(text, fee, limit, declined, failed, pending, transfer)
        and not text.mentions(
            "verify",
            "verification",
            "code",
            "currency",
            "currencies",
            "cheque",
            "check",
            "apple",
            "google",
            "american",
            "auto",
            "revert",
            "cash",
            "accept",
        )
    )


@rationale("verify_top_up")
def verifies_a_top_up(text: TaskText):
    """Verifying a top-up, often by a code."""
    return top_up(text) and text.mentions("verify", "verification", "code", "verified")


@rationale("exchange_rate")
def asks_for_the_rate(text: TaskText):
    """What the rate is and how it comes about."""
    return (
        text.mentions("exchange rate", "rate of exchange", "rates")
        and not_about(text, cash, payment)
        and not text.mentions("wrong", "incorrect", "bad", "charged", "discount", "purchase", "item", "card", "fee")
    )


@rationale("exchange_charge")
def cost_of_exchanging(text: TaskText):
    """What exchanging costs, and discounts for it."""
    return text.mentions("discount", "exchange fee") or (
        text.mentions("exchange", "exchanging", "convert")
        and text.mentions("fee", "charge", "cost", "extra", "free", "charges")
        and not_about(text, cash, payment)
    )


@rationale("exchange_via_app")
def how_to_exchange(text: TaskText):
    """How to exchange currencies in the app."""
    return (
        text.mentions("exchange", "exchanging", "trade", "switch", "convert", "swap", "change currency", "change from")
        and text.mentions("app", "aud", "usd", "gbp", "currency", "currencies", "eur", "between")
        and not_about(text, rate, fee, cash, top_up)
        and not text.mentions("discount", "support", "fiat", "hold", "salary", "crypto", "cryptocurrency", "accepted")
    )


@rationale("fiat_currency_support")
def which_currencies(text: TaskText):
    """Which currencies can be held and exchanged."""
    return text.mentions("fiat", "flat currencies", "holding", "hold") or (
        text.mentions("what currencies", "which currencies", "currencies", "currency")
        and text.mentions("support", "available", "options", "multiple", "accept", "kinds", "types")
        and not_about(text, top_up)
        and not text.mentions("cards", "card")
    )
