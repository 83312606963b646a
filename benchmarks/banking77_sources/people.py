"""The customer: age, identity, details, the account itself."""

from _topics import identity, not_about, top_up

from ml_backend.sources.writing import TaskText, rationale


@rationale("age_limit")
def how_old(text: TaskText):
    """Age, and accounts for children."""
    return text.mentions(
        "age",
        "how old",
        "years old",
        "child",
        "children",
        "kid",
        "daughter",
        "son",
        "old enough",
        "minor",
        "teenager",
        "18",
        "16",
        "young",
        "youngest",
    ) and not text.mentions(
        "second card", "card to my", "another card", "card for my", "additional", "spare", "give a second", "a card"
    )


@rationale("edit_personal_details")
def changes_details(text: TaskText):
    """A new address, name or number."""
    return text.mentions(
        "change my address",
        "change of address",
        "address",
        "personal details",
        "my details",
        "change my name",
        "last name",
        "phone number",
        "moved",
        "married",
        "new name",
        "details",
        "update my",
        "name change",
    ) and not text.mentions("deliver", "card details", "card", "verify", "identity", "pin")


@rationale("passcode_forgotten")
def forgot_the_passcode(text: TaskText):
    """The code or password of the app is forgotten."""
    return text.mentions(
        "passcode", "pass code", "password", "app code", "log in", "login", "passcodes"
    ) and not text.mentions("pin", "phone was", "stolen")


@rationale("terminate_account")
def closes_the_account(text: TaskText):
    """They want the account closed."""
    return (
        text.mentions("delete", "close", "terminate", "cancel", "closing", "deactivate", "leave", "remove")
        and text.mentions("account", "accounts")
        and not text.mentions("transfer", "transaction", "payment", "card", "rate", "wrong account", "into my account")
    )


@rationale("why_verify_identity")
def why_verify(text: TaskText):
    """Why, or whether, identity has to be verified."""
    return (
        identity(text)
        and not_about(text, top_up)
        and (
            text.mentions(
                "why",
                "have to",
                "do i have",
                "reason",
                "supposed to",
                "necessary",
                "skip",
                "without",
                "need to verify",
                "so much",
                "must",
                "required to",
                "not passed",
                "hasn't finished",
                "before",
            )
            or text.mentions("personal info")
        )
        and not text.mentions("what", "how", "not working", "can't", "won't", "unable", "not be")
    )


@rationale("verify_my_identity")
def how_to_verify(text: TaskText):
    """How identity is verified, and what is needed for it."""
    return (
        identity(text)
        and not_about(text, top_up)
        and text.mentions(
            "what", "how", "steps", "documents", "document", "requirements", "where", "forms", "need for", "needed"
        )
        and not text.mentions(
            "why",
            "can't",
            "won't",
            "unable",
            "not",
            "problem",
            "trouble",
            "skip",
            "missing",
            "happens",
            "before",
            "code",
            "card",
            "funds",
            "money",
        )
    )


@rationale("unable_to_verify_identity")
def verification_fails(text: TaskText):
    """Verification does not work."""
    return (
        identity(text)
        and not_about(text, top_up)
        and text.matching(
            r"unable|can'?t|cannot|won'?t|not (?:working|accept|able|being|verif|approv|let|recogni|have)"
            r"|n't (?:be |been )?(?:work|verif|accept|prove|let|have|go|pass)"
            r"|trouble|problem|fail|denied|declined|issue|no way|missing|help me|dont have"
        )
        and not text.mentions("why do", "do i have to", "card", "what happens")
    )


@rationale("verify_source_of_funds")
def where_money_comes_from(text: TaskText):
    """Where the money in the account comes from."""
    return text.mentions(
        "source", "came from", "comes from", "come from", "coming from", "origin", "generated from"
    ) and text.mentions("money", "fund", "funds", "account", "top up", "balance", "moeney")
