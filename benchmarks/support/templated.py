"""Make templated texts: what programs and forms write, where many texts differ in a few values.

Each set is drawn from some templates, a few of which are frequent and most of which are rare, as in real inboxes and
logs (Zipf's law with exponent 1), and from values as a business has them: a few hundred customers, articles and hosts,
of which some come up again and again, beside numbers, dates and amounts that hardly do.
"""

import random
from collections.abc import Callable, Mapping, Sequence

__all__ = ["SETS", "templated_texts"]

NAMES = (
    "Anna Bauer|Tom Reed|Li Wei|Maria Lopez|Jonas Berg|Fatima Said|Pierre Martin|Olga Petrova|Kofi Mensah|Emma Clarke|"
    "Noah Schmidt|Aiko Tanaka|Lucas Silva|Ines Costa|Omar Haddad|Sofia Rossi|Ben Carter|Nina Novak|Ravi Patel|Grace Kim"
).split("|")
FIRMS = [
    f"{head} {tail}"
    for head in "Alpine|Borealis|Castor|Delta|Elbe|Fjord|Granit|Helios|Ionic|Juno|Kestrel|Lumen".split("|")
    for tail in "Logistics|Foods|Systems|Textiles|Health".split("|")
]
PRODUCTS = "kettle|desk lamp|speaker|drill|heater|tent|router|vacuum cleaner|camera|office chair|toaster|printer".split("|")
CITIES = "Berlin|Lyon|Porto|Graz|Oslo|Turin|Leeds|Ghent|Malmo|Krakow|Basel|Cork|Bilbao|Utrecht|Split".split("|")
COMPLAINTS = (
    "the screen stays black after the last update|it makes a loud noise and smells burnt|the battery is empty after an "
    "hour|a part is missing from the box|the wrong colour was delivered|it does not turn on at all|the lid is cracked|"
    "it disconnects from the network every few minutes|the manual is in the wrong language|I was charged twice for it|"
    "the parcel arrived open and wet|the seam came apart on the first day|the app does not find the device|it leaks "
    "water on the table|the remote control does not react|it stops in the middle of the program|the plug does not fit|"
    "the display shows error 42|the handle broke off|I ordered two and got one"
).split("|")
WISHES = (
    "please send a replacement|I would like my money back|please call me back|please repair it|send me the missing "
    "part|tell me how to return it|a discount would be fine|please cancel the order"
).split("|")
ARTICLES = [
    f"{kind} {size} {stuff}"
    for kind in "hex bolt|wood screw|washer|angle bracket|pipe clamp|cable tie|hinge|anchor".split("|")
    for size in ("M4 x 20", "M6 x 40", "M8 x 60", "40 mm", "120 mm")
    for stuff in "galvanised|stainless|black|brass".split("|")
]
HOSTS = [f"{role}-{number:02}" for role in "web|db|cache|queue|auth|mail".split("|") for number in range(1, 9)]
SERVICES = "billing|checkout|search|session|catalog|reporting|gateway|scheduler|uploader|notifier".split("|")
USERS = [f"u{number}" for number in range(1000, 1300)]
PATHS = [f"/{a}/{b}" for a in ("api/v1", "api/v2", "admin", "static") for b in "orders|users|items|login|export".split("|")]

Values = Mapping[str, Callable[[random.Random], str]]


def _one_of(values: Sequence[str]) -> Callable[[random.Random], str]:
    """Some values come up far more often than others."""
    weights = [1 / (rank + 1) ** 0.7 for rank in range(len(values))]
    return lambda chance: chance.choices(values, weights)[0]


def _number(low: int, high: int) -> Callable[[random.Random], str]:
    return lambda chance: str(chance.randint(low, high))


def _date(chance: random.Random) -> str:
    return f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"


def _time(chance: random.Random) -> str:
    return f"{_date(chance)} {chance.randint(0, 23):02}:{chance.randint(0, 59):02}:{chance.randint(0, 59):02}"


def _amount(chance: random.Random) -> str:
    return f"{chance.choice((9, 19, 49, 99, 120, 250))}.{chance.choice(('00', '50', '90', '95', '99'))}"


VALUES: Values = {
    "name": _one_of(NAMES),
    "firm": _one_of(FIRMS),
    "product": _one_of(PRODUCTS),
    "city": _one_of(CITIES),
    "complaint": _one_of(COMPLAINTS),
    "wish": _one_of(WISHES),
    "article": _one_of(ARTICLES),
    "host": _one_of(HOSTS),
    "service": _one_of(SERVICES),
    "user": _one_of(USERS),
    "path": _one_of(PATHS),
    "date": _date,
    "time": _time,
    "amount": _amount,
    "few": _number(1, 5),
    "count": _number(1, 60),
    "number": _number(10_000, 99_999),
    "port": _one_of(("5432", "6379", "443", "8080", "25")),
    "ip": lambda chance: f"10.0.{chance.randint(0, 3)}.{chance.randint(1, 250)}",
    "ms": _number(1, 3000),
    "percent": _number(70, 99),
}

FORMS = (
    "Complaint form. Customer: {name}, {city}. Product: {product}. Bought on: {date}. Problem: {complaint}. Wish: {wish}.",
    "Return request no. {number}. Article: {product}, quantity {few}. Reason: {complaint}. Refund to: {name}.",
    "New contact form entry. Name: {name}. City: {city}. Subject: {product}. Message: Hello, {complaint}. {wish}. Thank you!",
    "Warranty claim for a {product} bought on {date} for {amount} EUR by {name}. Fault as described by the customer: "
    "{complaint}. Desired outcome: {wish}. Proof of purchase attached: yes.",
    "Change of address. Customer number {number}, {name}. Old city: {city}. New city: {city}. Valid from {date}.",
    "Order enquiry. Order {number} of {date}. Customer: {name}. Question: where is my {product}? It was promised for {date}.",
    "Appointment request: {name} from {city} would like a technician to look at the {product} on {date}, because {complaint}.",
    "Cancellation. Order: {number}. Article: {product}. Customer: {name}. Reason given: found it cheaper elsewhere.",
    "Cancellation. Order: {number}. Article: {product}. Customer: {name}. Reason given: no longer needed.",
    "Rating of {few} stars for {product} by {name}: {complaint}.",
    "Call note. Agent: {name}. Caller: {name}, {city}. Duration: {few} minutes. Topic: {product}, {complaint}. Result: {wish}.",
    "Data request under article 15. Name: {name}. City: {city}. Customer since {date}. Delivery of the data: by post.",
)
INVOICES = (
    "{count} x {article} at {amount} EUR",
    "Pos. {few}: {article}, {count} pcs, unit price {amount}, order {number}",
    "{firm}: delivery of {count} {article} on {date}, delivery note {number}",
    "Monthly licence fee for seats of the reporting module, {count} users, {date} to {date}, contract {number}",
    "Maintenance contract {number} for {firm}, period from {date} to {date}, flat rate {amount} EUR per month",
    "Freight and packaging for order {number}, {firm}, {city}, net {amount} EUR",
    "Installation of a {product} on site in {city}, {few} hours of a technician at {amount} EUR",
    "Travel expenses {name}, {city} to {city} on {date}, {count} km at 0.30 EUR",
    "Hotel {city}, {name}, {few} nights from {date}, breakfast included, {amount} EUR per night",
    "Rent for warehouse space in {city}, unit {count}, month beginning {date}, including service charges, {amount} EUR",
    "Credit note for invoice {number} dated {date}: {count} {article} returned by {firm}, reason: wrong size delivered",
    "Discount of {few} percent on invoice {number}, agreed with {name}",
    "Reminder fee for invoice {number} of {date}, second reminder, payable by {date}",
    "Cloud hosting, virtual machine {host}, {count} hours at 0.12 EUR per hour, billing period starting {date}",
    "Telephone line {number}, basic charge for the month beginning {date}, {city} office",
    "Consulting services by {name} for {firm}, {few} days at a daily rate of {amount} EUR, project {number}",
    "Training course on safety at work for {count} employees of {firm} in {city} on {date}",
    "Electricity, meter {number}, consumption {number} kWh, reading of {date}",
    "Advertisement in the trade journal, quarter page in colour, issue of {date}, order {number}",
    "Subscription of the trade journal, {few} copies, from {date} to {date}, customer {number}",
)
LOGS = (
    "INFO {service}: request GET {path} from {ip} answered with 200 in {ms} ms",
    "INFO {service}: request POST {path} from {ip} answered with 201 in {ms} ms",
    "WARN {service}: request GET {path} from {ip} answered with 404 in {ms} ms",
    "ERROR {service}: request POST {path} from {ip} answered with 500 in {ms} ms",
    "ERROR {service} on {host}: connection to {host}:{port} timed out after {ms} ms, attempt {few} of 5",
    "ERROR {service} on {host}: connection to {host}:{port} refused, attempt {few} of 5",
    "INFO auth: user {user} logged in from {ip}",
    "INFO auth: user {user} logged out",
    "WARN auth: failed password for user {user} from {ip} port {number} ssh2",
    "WARN auth: user {user} locked after 5 failed attempts",
    "INFO {host} kernel: eth0 link is up at 1000 Mbps full duplex, flow control rx and tx",
    "WARN {host} kernel: disk sda usage at {percent} percent, threshold of warnings is 80 percent",
    "ERROR {host} kernel: disk sda usage at {percent} percent, writes are refused until space is freed",
    "WARN {host} monitor: memory usage at {percent} percent for {few} minutes, largest process is {service}",
    "WARN {host} monitor: load average {few}.{count} over the last {few} minutes",
    "INFO {service}: job {number} started by {user}",
    "INFO {service}: job {number} finished in {ms} ms with {count} rows written",
    "ERROR {service}: job {number} failed after {ms} ms: deadlock detected while waiting for lock on table orders",
    "ERROR {service}: job {number} failed after {ms} ms: out of memory while sorting {number} rows",
    "WARN {service}: job {number} has been waiting in the queue for {ms} ms, {count} jobs are ahead of it",
    "INFO cache on {host}: evicted {number} keys to free {count} MB, hit rate {percent} percent",
    "INFO {host} cron: running backup of database {service} to bucket nightly-{few}",
    "ERROR {host} cron: backup of database {service} to bucket nightly-{few} failed: permission denied",
    "INFO {service}: configuration reloaded from /etc/{service}/config.yaml by {user}",
    "WARN {service}: certificate of {host} expires in {count} days, renew it before then",
    "ERROR {service}: certificate of {host} has expired, connections over TLS are refused by clients",
    "INFO mail on {host}: message {number} delivered to 1 recipient in {ms} ms, size {number} bytes, queue empty",
    "WARN mail on {host}: message {number} deferred, the receiving server said: 451 try again later, greylisted",
    "ERROR mail on {host}: message {number} bounced, the receiving server said: 550 no such user here",
    "INFO {service}: feature flag new-checkout switched on for {percent} percent of users by {user}",
    "INFO {service}: version {few}.{count}.{few} deployed to {host} by {user}, {count} commits since the last one",
    "ERROR {service}: deployment of version {few}.{count}.{few} to {host} rolled back, health check failed {few} times",
    "WARN {service}: rate limit reached by {user}, {count} requests per second, limit is 20, answering with 429",
    "ERROR {service}: payment {number} declined by the provider with code {count}, customer {user}",
    "INFO {service}: payment {number} of {amount} EUR captured for customer {user}",
    "ERROR {service}: unhandled exception in {path}: KeyError 'customer_id' at line {count}, request by {user}",
    "ERROR {service}: unhandled exception in {path}: division by zero at line {count}, request by {user}",
    "INFO queue on {host}: consumer {service} joined the group orders, partitions were rebalanced in {ms} ms",
    "WARN queue on {host}: consumer {service} is {number} messages behind on topic orders, partition {few}",
    "INFO {host} systemd: started unit {service}.service, process {number}",
)
SETS: Mapping[str, Sequence[str]] = {"forms": FORMS, "invoice lines": INVOICES, "logs": LOGS}


def templated_texts(templates: Sequence[str], count: int, seed: int) -> list[str]:
    """Return texts in the order in which they would come in, each of a template drawn anew."""
    chance = random.Random(seed)
    order = chance.sample(templates, len(templates))
    weights = [1 / (rank + 1) for rank in range(len(order))]
    return [_filled(template, chance) for template in chance.choices(order, weights, k=count)]


def _filled(template: str, chance: random.Random) -> str:
    """Return the template with a value in each place, drawn for each place by itself."""
    parts = template.split("{")
    return parts[0] + "".join(VALUES[name](chance) + rest for name, _, rest in (part.partition("}") for part in parts[1:]))
