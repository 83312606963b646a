"""Charges, refunds, cash and transfers."""

from _topics import (
    card,
    cash,
    declined,
    failed,
    fee,
    missing,
    not_about,
    not_theirs,
    payment,
    pending,
    rate,
    top_up,
    transfer,
    wrong,
)

from ml_backend.sources.writing import TaskText, rationale


@rationale("Refund_not_showing_up")
def refund_is_missing(text: TaskText):
    """A refund that was granted is not there."""
    return text.mentions("refund") and missing(text) and not text.mentions("how long does it take to get", "policy")


@rationale("request_refund")
def wants_a_refund(text: TaskText):
    """They want money back for something they bought."""
    return (
        (
            text.mentions(
                "refund",
                "money back",
                "return an item",
                "cancel a purchase",
                "cancel my purchase",
                "cancel a payment",
                "reverse a transaction",
            )
        )
        and not missing(text)
        and not (not_theirs(text))
        and not text.mentions("direct debit", "atm", "cash", "exchange", "twice")
    )


@rationale("transaction_charged_twice")
def charged_twice(text: TaskText):
    """The same payment twice."""
    return text.mentions(
        "twice", "duplicate", "double", "two times", "2 times", "more than once", "doubled", "multiple times"
    )


@rationale("extra_charge_on_statement")
def charged_a_pound_more(text: TaskText):
    """A small extra charge, often of one pound or dollar."""
    return (
        text.mentions("extra", "additional", "random", "unexplained", "strange")
        and text.mentions("statement", "pound", "1", "dollar", "app", "one pound", "charge")
        and text.matching(r"\b(?:£|\$|€)? ?1\b(?![.,]?\d)|\bone\b|pound|dollar|statement|euro")
        and not_about(text, cash, transfer, top_up)
    )


@rationale("card_payment_fee_charged")
def fee_for_paying(text: TaskText):
    """A fee for a payment with the card."""
    return (
        text.mentions("fee", "charge", "extra", "surcharge", "additionally")
        and (payment(text) or card(text))
        and not_about(text, cash, transfer, top_up, rate, not_theirs)
        and not text.mentions(
            "twice",
            "statement",
            "pound",
            "1",
            "exchange",
            "order",
            "double",
            "physical",
            "deliver",
            "virtual",
            "second",
            "currency",
            "direct debit",
            "foreign",
        )
    )


@rationale("card_payment_not_recognised")
def payment_is_not_theirs(text: TaskText):
    """A card payment that they did not make."""
    return (
        not_theirs(text)
        and (payment(text) or card(text) or text.mentions("charge", "transaction"))
        and not_about(text, cash, top_up)
        and not (text.mentions("direct debit", "debit", "pending", "someone"))
    )


@rationale("direct_debit_payment_not_recognised")
def debit_is_not_theirs(text: TaskText):
    """A direct debit that they did not set up."""
    return text.mentions("direct debit", "debit payment", "debit transaction", "debited")


@rationale("cash_withdrawal_not_recognised")
def withdrawal_is_not_theirs(text: TaskText):
    """A withdrawal that they did not make."""
    return (
        cash(text)
        and (
            not_theirs(text)
            or text.matching(r"(?:didn'?t|did not|never|not)(?: \w+){0,3}? (?:withdr|take|took|get\b|got)")
        )
        and (text.mentions("app", "statement", "account", "withdrawal", "made", "mine", "see", "someone"))
        and not text.mentions("all", "amount", "declined", "pending", "fee", "charged")
    )


@rationale("card_payment_wrong_exchange_rate")
def wrong_rate_for_a_payment(text: TaskText):
    """The rate of something bought is wrong."""
    return rate(text) and (wrong(text) or payment(text)) and not_about(text, cash)


@rationale("wrong_exchange_rate_for_cash_withdrawal")
def wrong_rate_for_cash(text: TaskText):
    """The rate of a withdrawal is wrong."""
    return cash(text) and (rate(text) or text.mentions("exchange", "foreign", "abroad", "holiday", "currency"))


@rationale("cash_withdrawal_charge")
def fee_for_cash(text: TaskText):
    """A fee for a withdrawal."""
    return (
        cash(text)
        and text.mentions("fee", "charge", "cost", "extra", "pay")
        and not_about(text, rate, not_theirs, pending, top_up, transfer)
        and not (text.mentions("exchange", "holiday", "abroad", "foreign"))
    )


@rationale("declined_cash_withdrawal")
def cash_was_declined(text: TaskText):
    """The machine gave nothing."""
    return (
        cash(text)
        and (
            declined(text)
            or text.mentions(
                "unable",
                "wouldn't give",
                "won't give",
                "didn't work",
                "not work",
                "can't get",
                "can't withdraw",
                "couldn't",
            )
        )
        and not_about(text, rate, pending, fee)
        and not text.mentions("deposit", "top up", "cheque", "check", "pin")
    )


@rationale("pending_cash_withdrawal")
def cash_is_pending(text: TaskText):
    """A withdrawal that is still pending."""
    return (
        cash(text)
        and (pending(text) or text.mentions("show up", "not working"))
        and not text.mentions("deposit", "cheque", "transfer", "check")
    )


@rationale("wrong_amount_of_cash_received")
def wrong_cash(text: TaskText):
    """The machine gave less than was asked for."""
    return text.mentions(
        "wrong amount",
        "right amount",
        "less",
        "only got",
        "only received",
        "full amount",
        "only gave",
        "instead of",
        "not all",
        "different amount",
        "amount of cash",
        "requested amount",
        "correct amount",
        "short",
    ) and (cash(text) or text.mentions("got", "received", "asked", "requested"))


@rationale("balance_not_updated_after_cheque_or_cash_deposit")
def deposit_is_missing(text: TaskText):
    """Cash or a cheque that was paid in is not there."""
    return (
        text.mentions("deposit", "cheque", "check", "paid in")
        and (missing(text) or text.mentions("update", "pending", "process", "credited"))
        and not_about(text, transfer)
    )


@rationale("top_up_by_cash_or_cheque")
def cash_into_the_account(text: TaskText):
    """Whether cash or cheques can be paid in."""
    return (
        text.mentions("cheque", "check", "cash", "physical money", "cheques")
        and (top_up(text) or text.mentions("deposit", "add", "put"))
        and not missing(text)
    )


@rationale("balance_not_updated_after_bank_transfer")
def transfer_in_is_missing(text: TaskText):
    """Their transfer into the account does not show in the balance."""
    return (
        text.mentions("balance", "my account", "transferred", "into my account")
        and transfer(text)
        and missing(text)
        and not text.mentions(
            "friend", "recipient", "landlord", "pending", "europe", "china", "someone", "top up", "declined"
        )
    )


@rationale("transfer_not_received_by_recipient")
def recipient_has_nothing(text: TaskText):
    """Somebody else has not got it."""
    return (
        (transfer(text) or text.mentions("money", "transaction"))
        and text.mentions(
            "friend",
            "recipient",
            "landlord",
            "they",
            "rent",
            "someone",
            "she",
            "he",
            "family",
            "seller",
            "receiver",
            "them",
            "arrive",
        )
        and missing(text)
        and not text.mentions("refund", "pending", "china", "europe", "card", "cash", "withdrawal", "my account")
    )


@rationale("transfer_timing")
def how_long_transfers_take(text: TaskText):
    """How long a transfer takes, often from or to a country."""
    return (
        transfer(text)
        and (
            text.mentions(
                "how long",
                "how quickly",
                "how soon",
                "how fast",
                "how many days",
                "china",
                "europe",
                "urgently",
                "timeline",
                "time",
            )
        )
        and not (
            text.mentions("pending", "fee", "charge", "cost", "recipient", "friend", "balance", "show", "received")
        )
    )


@rationale("pending_transfer")
def transfer_is_pending(text: TaskText):
    """A transfer that is still pending."""
    return transfer(text) and text.mentions(
        "pending", "still waiting", "stuck", "clear", "not happened", "taking so long", "in progress"
    )


@rationale("failed_transfer")
def transfer_failed(text: TaskText):
    """A transfer did not go through."""
    return (
        transfer(text)
        and failed(text)
        and not declined(text)
        and not text.mentions("pending", "beneficiary", "crypto", "cryptocurrency", "top up", "received")
    )


@rationale("declined_transfer")
def transfer_was_declined(text: TaskText):
    """A transfer was declined."""
    return (
        transfer(text)
        and text.mentions("decline", "denied", "deny", "reject", "refused", "error message")
        and not text.mentions("beneficiary", "crypto", "cryptocurrency")
    )


@rationale("beneficiary_not_allowed")
def beneficiary_is_not_allowed(text: TaskText):
    """The beneficiary is not allowed, or it is about crypto currency."""
    return text.mentions("beneficiary", "beneficiaries", "crypto", "cryptocurrency", "crypto currency") or (
        transfer(text) and text.mentions("not allowed", "allowed", "stopped", "blocked")
    )


@rationale("cancel_transfer")
def takes_a_transfer_back(text: TaskText):
    """They want to stop what they sent themselves."""
    return (
        text.mentions("cancel", "stop", "revert", "undo", "reverse", "wrong account", "retract", "correct")
        and (transfer(text) or text.mentions("transaction", "wrong account", "money was sent"))
        and not text.mentions("card payment", "refund", "was cancelled", "atm", "top up", "subscription")
    )


@rationale("transfer_fee_charged")
def fee_for_a_transfer(text: TaskText):
    """A fee for a transfer was charged."""
    return (
        (transfer(text) or text.mentions("abroad"))
        and text.mentions("fee", "charge", "charged", "free", "fees")
        and not_about(text, top_up, cash)
        and not (text.mentions("will", "sepa", "swift", "how much", "is there", "cost", "would", "receive"))
    )


@rationale("top_up_by_bank_transfer_charge")
def cost_of_transfers(text: TaskText):
    """What a transfer into the account, such as SEPA or SWIFT, costs."""
    return text.mentions("sepa", "swift") or (
        transfer(text)
        and fee(text)
        and text.mentions("will", "how much", "is there", "cost", "would", "do i have to pay", "top up")
        and not text.mentions("was", "charged me")
    )
