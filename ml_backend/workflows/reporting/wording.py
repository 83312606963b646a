"""The report's findings in sentences, for people who are no statisticians."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...domain.readable import listed
from ...options import PREFIX

__all__ = ["advice", "forecast_sentence", "next_sentence", "pair_words"]

_Json = Mapping[str, Any]

SHOWN_GROUPS = 3


def forecast_sentence(control: _Json, currency: str) -> str:
    """Return what the target costs."""
    forecast, metric = control["forecast"], control["metric"]
    target, (low, middle, high) = f"{metric} {_score(forecast['target'])}", forecast["labels"]
    if high == 0:
        return f"{target} is reached already."
    if low is None:
        return f"{target} is out of reach: hardly a curve that fits the labels so far gets there."
    if middle is None:
        least = (
            f"it costs {_count(low)} more labels at the very least" if low else "nothing rules out that it is reached"
        )
        never = f"{forecast['never']:.0%} of the curves that fit do not get there with ten times the labels"
        return f"{target} may be out of reach: {least}, and {never}."
    spent = _spent(forecast["hours"][1], forecast["price"][1], currency)
    likely = f"most likely {_count(middle)}" + (f": {spent}" if spent else "") if middle else "most likely none"
    if low == 0:
        most = "how many it takes at most is open" if high is None else f"it takes {_count(high)} at most"
        return f"{target} costs more labels, {likely}. It may be reached already; {most}."
    if high is None:
        return f"{target} costs {_count(low)} more labels or more, {likely}; how many at most is open."
    return f"{target} costs {_count(low)} to {_count(high)} more labels, {likely}."


def next_sentence(control: _Json, currency: str) -> str:
    """Return what the next labels buy, and whether that is worth it."""
    following, metric = control["next"], control["metric"]
    low, middle, high = (f"{100 * each:.1f}" for each in following["gain"])
    spent = _spent(following["hours"], following["price"], currency)
    cost = f" for {spent}" if spent else ""
    sentence = f"The next {following['labels']} labels buy {middle} points of {metric} ({low} to {high}){cost}."
    if following["is_flat"]:
        pairs = listed([pair_words(pair) for pair in control["mistakes"]["pairs"][:2]])
        where = f" The error sits elsewhere, most of all in {pairs}: see the guidelines." if pairs else ""
        return f"{sentence} More labels of this kind buy under half a point.{where}"
    if following["pays"] is False:
        threshold = f"{100 * following['threshold']:g} points per expert hour ({PREFIX}STOP_BELOW_GAIN)"
        return f"{sentence} That is less than {threshold}: stop, or label something else."
    return sentence


def pair_words(pair: _Json) -> str:
    """Return a pair of labels that are mixed up, in words."""
    given, answered = pair["given"], pair["answered"]
    if given == answered:
        return f"{given} in other places"
    if not answered:
        return f"{given}, missed"
    return f"{given} taken for {answered}" if given else f"{answered}, too much"


def advice(report: _Json) -> list[str]:
    """Return what the figures ask for, the most pressing first."""
    return [
        *_about_drift(report["live"]),
        *_about_unfit(report["unfit"]),
        *_about_prelabels(report["prelabels"]),
        *_about_labels(report),
    ]


def _about_drift(live: _Json | None) -> Iterator[str]:
    for alarm in live["alarms"] if live else ():
        if alarm["is_serving"]:
            yield f"{alarm['sentence'][:1].upper()}{alarm['sentence'][1:]}."


def _about_unfit(unfit: _Json | None) -> Iterator[str]:
    if unfit is None or not unfit["groups"]:
        return
    groups = [f"{', '.join(group['words'])} ({group['size']:,} texts)" for group in unfit["groups"]]
    yield (
        f"{unfit['waiting']:,} texts that wait fit none of the labels. Groups of them are candidates for a new label: "
        f"{listed(groups, SHOWN_GROUPS)}."
    )


def _about_prelabels(effects: _Json | None) -> Iterator[str]:
    if effects is None:
        return
    seconds, agreement = effects["seconds"], effects["agreement"]
    if seconds and seconds["low"] > 0:
        yield (
            f"Pre-labels slow people down: a label takes {seconds['difference']:.1f} s longer with one "
            f"({seconds['low']:.1f} to {seconds['high']:.1f})."
        )
    if agreement and agreement["low"] > 0:
        low, middle, high = (f"{100 * agreement[name]:.1f}" for name in ("low", "difference", "high"))
        yield (
            f"People follow the pre-labels: they agree with the model {middle} points more often when they see its "
            f"answer ({low} to {high}). Some of these answers are slips that it prevents, and some are its mistakes."
        )
    slow, pulled = _labels_with(effects["by_label"], "seconds"), _labels_with(effects["by_label"], "agreement")
    for names, what in ((slow, "slows people down"), (pulled, "draws people to that answer")):
        if names:
            yield (
                f"Of these labels the pre-label {what}: {listed(names, 10)}. "
                f'{PREFIX}PRELABELS_OFF="{",".join(names)}" leaves such tasks to people alone.'
            )


def _labels_with(by_label: Sequence[_Json], name: str) -> list[str]:
    return [each["label"] for each in by_label if each[name] and each[name]["low"] > 0]


def _about_labels(report: _Json) -> Iterator[str]:
    costs = report["costs"]
    if costs["without_time"]:
        yield f"{costs['without_time']:,} labels carry no time; they count as their annotator's mean, or not at all."
    if costs["breaks"]:
        yield f"{costs['breaks']:,} labels held a break; each counts as its annotator's mean."


def _count(labels: int) -> str:
    """Return a number of labels as exactly as a forecast is: two digits."""
    digits = max(len(str(labels)) - 2, 0)
    return f"{round(labels, -digits):,}"


def _score(value: float) -> str:
    return f"{value:.2f}".lstrip("0")


def _spent(hours: float | None, price: float | None, currency: str) -> str:
    if hours is None:
        return ""
    words = f"{hours:.1f} expert hours"
    return words if price is None else f"{words}, {price:,.0f} {currency}"
