"""General English, written for this purpose: what a model must not forget while it learns something special.

The perplexity of these sentences before and after a training shows catastrophic forgetting; so that they say the same
of every version, they never change.
"""

__all__ = ["FORGETTING_RATIO", "PROBE"]

FORGETTING_RATIO = 1.25
"""From this growth of the probe's perplexity on, a training is reported to have cost general language."""

PROBE = (
    "The train from the coast arrived twenty minutes late because a tree had fallen across the line.",
    "She closed the window, put the kettle on, and waited for the rain to stop.",
    "Most birds build a new nest every spring, although some return to the old one.",
    "If the door is locked, please ask at the desk downstairs for the key.",
    "The committee will meet again on Thursday to decide how the money should be spent.",
    "Water boils at a lower temperature in the mountains than it does at sea level.",
    "He had read the letter twice before he understood what his brother was asking of him.",
    "Fresh bread, a little cheese and an apple were all that they took with them.",
    "The museum opens at nine in the morning and is closed on public holidays.",
    "Nobody knew why the lights had gone out, but everybody had an opinion about it.",
    "A good map shows not only the roads but also where the ground is too wet to walk on.",
    "When the harvest was over, the whole village gathered in the square to dance.",
    "The doctor told him to rest for a week and to come back if the pain did not go away.",
    "In winter the lake freezes so hard that people drive across it with their cars.",
    "Children learn their first language by listening, long before they can say a word.",
    "The old bridge was replaced by a wider one, which carries trams as well as bicycles.",
    "I would rather walk for an hour than wait here for a bus that may never come.",
    "Prices rose faster than wages that year, and many families had to move to smaller homes.",
    "Every evening the lighthouse keeper wrote down the weather and the names of passing ships.",
    "To plant a tree, dig a hole twice as wide as its roots and water it well.",
    "The band played one more song, although the musicians were tired and the hall half empty.",
    "Scientists compared the two samples and found no difference that could not be due to chance.",
    "My grandmother kept her recipes in a tin box, each on a card in her careful handwriting.",
    "The plane circled over the city until the fog had lifted and it was allowed to land.",
    "A contract is valid only when both sides have signed it of their own free will.",
    "They painted the kitchen yellow, which made the room look larger than it really was.",
    "The river has changed its course several times, leaving behind a chain of quiet ponds.",
    "After the goal the crowd fell silent for a moment, as if it had not believed its eyes.",
    "Bees find their way home by the position of the sun, even on days with many clouds.",
    "The new teacher learned the names of all thirty pupils before the end of the first day.",
)
