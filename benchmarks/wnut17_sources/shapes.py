"""Shapes of names in WNUT17, written after reading its training file alone."""

import re

from ml_backend.sources.writing import TaskText, rationale

NAME = r"[A-Z][\w'’-]*"
NAMES = rf"{NAME}(?: (?:of |de |the |& )?{NAME}){{0,3}}"
NO_PLACE = re.compile(
    r"^(?:I|I'm|The|A|My|This|That|You|Your|We|It|He|She|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|January|"
    r"February|March|April|June|July|August|September|October|November|December|Monday|Tuesday|Wednesday|Thursday|"
    r"Friday|Saturday|Sunday|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Twitter|Facebook|YouTube|English|God|Christmas|Halloween)\b"
)
PLACES = (
    "Park|Street|St|Ave|Avenue|Road|Lounge|Club|Cafe|City|Beach|Hotel|Bar|Building|Center|Centre|Hall|Theatre|Theater|"
    "Island|Lake|County|Stadium|Arena|Airport|Church|Mall|Plaza|Square|Library|Restaurant|Hospital|Bridge|River"
)
TITLES = "Mr|Mrs|Ms|Dr|Pope|President|King|Queen|Prince|Princess|Sir|Lady|DJ|Rev|Senator|Judge|Coach|Aunt|Uncle|Lil"
FIRST = (
    "Justin|Lindsay|John|Michael|Steve|Mark|Mike|George|Joe|Robert|Taylor|David|Paul|Scooter|Chris|James|Tom|Kevin|"
    "Brian|Jason|Andrew|Adam|Nick|Ryan|Matt|Dan|Daniel|Jim|Bill|Bob|Peter|Tim|Scott|Jack|Will|William|Kim|Anna|Emma|"
    "Sarah|Mary|Katy|Kate|Jessica|Jennifer|Miley|Selena|Demi|Nicole|Amy|Lisa|Laura|Karen|Susan|Linda|Rachel|Alex|Sam"
)


@rationale("location", reason="A name behind a word of place.")
def behind_a_word_of_place(text: TaskText):
    found = re.finditer(rf"\b(?:in|at|from|near|@) (?:the )?({NAMES})", text)
    return [each.span(1) for each in found if not NO_PLACE.match(each[1]) and not each[1].isupper()]


@rationale("location", reason="A name that ends in a kind of place.")
def a_kind_of_place(text: TaskText):
    return [each.span() for each in re.finditer(rf"\b(?:{NAME} ){{1,3}}(?:{PLACES})\b", text)]


@rationale("location", reason="A town before the letters of a state.")
def before_a_state(text: TaskText):
    return [each.span(1) for each in re.finditer(rf"\b({NAME}(?: {NAME})?) , [A-Z]{{2}}\b", text)]


@rationale("person", reason="A title before a name.")
def titled(text: TaskText):
    return [each.span() for each in re.finditer(rf"\b(?:{TITLES}) \.? ?{NAME}(?: {NAME})?", text)]


@rationale("person", reason="A first name before a name.")
def first_and_last_name(text: TaskText):
    return [each.span() for each in re.finditer(rf"\b(?:{FIRST}) {NAME}\b", text)]


@rationale("creative-work", reason="A title in quotation marks.")
def quoted(text: TaskText):
    found = re.finditer(rf"(?:\"|&quot;) ({NAME}(?: (?:of|the|in|a|and|to|{NAME}|\d+)){{0,5}}) (?:\"|&quot;)", text)
    return [each.span(1) for each in found]


@rationale("group", reason="One team against another.")
def against(text: TaskText):
    found = re.finditer(rf"\b({NAME}(?: {NAME})?) (?:vs|v) \.? ?({NAME}(?: {NAME})?)", text)
    return [each.span(number) for each in found for number in (1, 2)]
