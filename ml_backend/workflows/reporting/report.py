"""Make the report of a project or of an export, as JSON and as a page."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from ...atomic_files import atomic_text
from ...domain.example import Row, first_rows
from ...domain.field_texts import readable_text
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.snapshot import Snapshot, Split
from ...labelstudio.plans import plan_of
from ...snapshots.store import SnapshotFolder
from ...tasks import ServingPlan
from ..auditing.decisions import precision_table
from ..exporting.snapshots import export_file, export_project
from ..services import Services
from ..sourcing.read import AskedFiles
from ..voting import all_vote_results
from ..watching.live import live_to_json
from .effects import PrelabelExperiment
from .files import ReportFiles
from .forecast import CurveForecast, LabelPrice
from .frozen_rows import FrozenRows, SplitRow
from .mistakes import mistakes_to_json
from .rounds import lead_of, rounds_by_time, rounds_by_version, strategies_to_json
from .sources import sources_to_json
from .unfit import unfit_to_json
from .wording import advice, forecast_sentence, next_sentence
from .work import LabelWork, Way, WorkTimes, work_in_events, work_in_rows

NO_CURVE_OF_TEXTS = (
    "it is answered with a text, and its learning curve would take a long training per point; "
    "labelloop models compare says how much better one version writes than another"
)

__all__ = ["report_on_export", "report_on_project", "rows_in", "write_report"]


def report_on_project(
    services: Services,
    project: Project,
    *,
    target: float | None = None,
    sources: Path | None = None,
    report: ProgressCallback = Progress.ignore,
) -> dict[str, Any]:
    """Return a project's report as a JSON object, about its labels as Label Studio holds them now.

    Args:
        target: F1 that is wanted; None: the next step from what is reached.
        sources: folder of label sources; None: that of the settings, if any.

    Raises:
        SourceError: the folder of label sources that was given cannot be used.
        StudioError: Label Studio cannot be read.
        SnapshotError: not one task is reviewed.
        EncoderError: the base model cannot be loaded.
    """
    report(Progress(0.0, "reading", "reviewed tasks"))
    snapshot = export_project(services, project, is_for_training=False)
    rows, labeled = rows_in(snapshot)
    held_out = frozenset(row.task_id for row, split in rows if split.is_held_out)
    work = work_in_events(services.database.events.by_annotation(project.id), labeled, held_out)
    measured = sources_to_json(services, project, project.ref.key, sources)
    return _Reporter(services, snapshot, rows, labeled, work, project, measured, report).to_json(target)


def report_on_export(
    services: Services,
    export: Path,
    label_config: str,
    *,
    target: float | None = None,
    sources: Path | None = None,
    report: ProgressCallback = Progress.ignore,
) -> dict[str, Any]:
    """Return the report of an export of Label Studio as a JSON object. No server is asked.

    Args:
        target, sources: see `report_on_project`.

    Raises:
        SourceError: the folder of label sources that was given cannot be used.
        StudioExportError: the file is not such an export.
        SnapshotError: not one task in it is reviewed.
        EncoderError: the base model cannot be loaded.
    """
    snapshot = export_file(services, export, label_config, services.options.labels.split)
    rows, labeled = rows_in(snapshot)
    asked, key = AskedFiles(export, label_config), snapshot.manifest.project.key
    measured = sources_to_json(services, asked, key, sources)
    return _Reporter(services, snapshot, rows, labeled, work_in_rows(labeled), None, measured, report).to_json(target)


def write_report(report: Mapping[str, Any], folder: Path) -> ReportFiles:
    """Write a report as JSON and as a page, each whole or not at all."""
    from .page import report_page

    files = ReportFiles(folder)
    files.folder.mkdir(parents=True, exist_ok=True)
    with atomic_text(files.json) as file:
        # Escaped, because half a surrogate pair, which a text or label may hold, has no other form in UTF-8.
        json.dump(report, file, indent=1)
    with atomic_text(files.html) as file:
        file.write(report_page(report))
    return files


@dataclass(frozen=True, slots=True)
class _Reporter:
    services: Services
    snapshot: Snapshot
    rows: Sequence[SplitRow]
    labeled: Sequence[Row]
    work: Sequence[LabelWork]
    project: Project | None
    sources: Mapping[str, Any] | None
    report: ProgressCallback

    def to_json(self, target: float | None) -> dict[str, Any]:
        services, project, options = self.services, self.project, self.services.options.costs
        plan, times = plan_of(self.snapshot.manifest), WorkTimes(self.work)
        effects = None
        if project is not None:
            self.report(Progress(0.05, "comparing", "labels with and without pre-label"))
            effects = PrelabelExperiment.of(services, project, plan, times).to_json(times)
        live = self._live(project) if project is not None else None
        seconds = effects["seconds"] if effects else None
        saved_s = None if seconds is None else -seconds["difference"]
        costs = times.to_json(options.expert_hour_price)
        price = LabelPrice.of(costs["human_s"], len(self.labeled), options)
        controls, frozen, without_curve = self._controls(plan, price, target)
        rounds = []
        if project is not None:
            test = [row for row, split in self.rows if split is Split.TEST]
            rounds = rounds_by_version(services, project, plan, times, test, saved_s=saved_s, report=self.report)
        is_by_version = bool(rounds)
        if not rounds and frozen:
            rounds = rounds_by_time(frozen[0], times, saved_s=saved_s)
        machine_s = sum(each["machine_s"] for each in rounds)
        body: dict[str, Any] = {
            "title": project.title if project else self.snapshot.manifest.project.slug,
            "project_url": f"{services.studio.url}/projects/{project.id}" if project else None,
            "made_at": services.clock().isoformat(timespec="minutes"),
            "snapshot_id": self.snapshot.id,
            "rows": len(self.rows),
            "blind_rows": sum(split.is_held_out for _, split in self.rows),
            "currency": options.currency,
            "has_prices": bool(options.expert_hour_price),
            "costs": {**costs, "machine_s": machine_s, "machine_price": machine_s / 3600 * options.machine_hour_price},
            "prelabels": effects,
            "live": live,
            "rounds": rounds,
            "rounds_are_versions": is_by_version,
            "forecast": controls[0]["forecast"] if controls else None,
            "controls": controls,
            "without_curve": without_curve,
            "annotators": self._annotators(costs["by_annotator"]),
            "flags": [asdict(each) for each in precision_table(services, project)] if project else [],
            "strategies": self._strategies(frozen[0]) if frozen else [],
            "sources": self.sources,
            "unfit": unfit_to_json(services, project, self._learned_texts()) if project else None,
            "votes": all_vote_results(services, project) if project else [],
            "baseline": services.database.baselines.newest(self.snapshot.manifest.project.key),
            "warnings": list(self.snapshot.manifest.warnings),
        }
        return body | {"advice": advice(body)}

    def _learned_texts(self) -> list[str]:
        return [readable_text(row.text) for row, split in self.rows if not split.is_held_out]

    def _live(self, project: Project) -> dict[str, Any]:
        self.report(Progress(0.1, "comparing", "what versions answer to blind tasks"))
        held_out = [row for row, split in self.rows if split.is_held_out]
        prelabels = [(each.version, each.at, each.was_accepted) for each in self.work if each.way is Way.PRELABEL]
        return live_to_json(self.services, project, held_out, prelabels)

    def _controls(
        self, plan: ServingPlan, price: LabelPrice, target: float | None
    ) -> tuple[list[dict[str, Any]], list[FrozenRows], list[dict[str, str]]]:
        """Return what is known of each control, the rows that tell it, and why the others have no learning curve."""
        controls: list[dict[str, Any]] = []
        frozen: list[FrozenRows] = []
        writing = [served.name for served in plan.controls if served not in plan.labeled]
        without_curve = [{"control": name, "reason": NO_CURVE_OF_TEXTS} for name in writing]
        if not plan.labeled:
            return controls, frozen, without_curve
        from ...models.text.torch_encoder import TextEncoder

        encoder = TextEncoder.load(self.services.options.models.base_model)
        for served in plan.labeled:
            try:
                rows = FrozenRows.of(self.services, served, self.rows, encoder, self.report)
                control = self._control(plan, rows, price, target)
            except ValueError as error:
                without_curve.append({"control": served.name, "reason": str(error)})
                continue
            controls.append(control)
            frozen.append(rows)
        return controls, frozen, without_curve

    def _control(self, plan: ServingPlan, rows: FrozenRows, price: LabelPrice, target: float | None) -> dict[str, Any]:
        seed, currency = self.services.options.seed, price.options.currency
        champion = self.services.versions.champion(self.project.ref.key) if self.project else None
        self.report(Progress(0.3, "learning", f"a learning curve of {rows.served.name}"))
        lead = lead_of(self.services, plan, champion, rows, seed=seed)
        curve = CurveForecast(rows, len(rows.rows) + rows.left_out, lead, seed=seed)
        control = {
            "control": rows.served.name,
            **curve.to_json(curve.default_target() if target is None else target, price),
            "mistakes": mistakes_to_json(self.services, plan, rows, curve.answers),
        }
        return control | {
            "forecast_words": forecast_sentence(control, currency),
            "next_words": next_sentence(control, currency),
        }

    def _strategies(self, rows: FrozenRows) -> list[dict[str, Any]]:
        project, selections = self.project, self.services.database.selections
        strategies = selections.strategies(project.id) if project else {}
        return strategies_to_json(rows, strategies, seed=self.services.options.seed)

    def _annotators(self, costs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return what each annotator's labels took, and how often others gave the same answer."""
        same: Counter[str] = Counter()
        shared: Counter[str] = Counter()
        for row in self.labeled:
            for own, other in permutations(row.labels, 2):
                shared[own.annotator] += 1
                same[own.annotator] += own.targets == other.targets
        return [
            {
                **each,
                "shared": shared[each["annotator"]],
                "agreement": same[name] / shared[name] if shared[name := each["annotator"]] else None,
            }
            for each in costs
        ]


def rows_in(snapshot: Snapshot) -> tuple[list[SplitRow], list[Row]]:
    """Return the first row of each task with an agreed answer, with its split; and these with those without one."""
    folder = SnapshotFolder(snapshot.path)
    rows = [(row, split) for split in Split for row in first_rows(folder.rows(split)).values()]
    return rows, [*(row for row, _ in rows), *folder.unresolved()]
