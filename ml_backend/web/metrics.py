"""Prometheus metrics of this process, and of the database at the moment of asking."""

import logging
import time
from collections.abc import Iterator

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..errors import DatabaseUnavailable
from ..serving.prelabels import Prelabels
from ..workflows.connecting.projects import announced_version
from ..workflows.services import Services
from ..workflows.training.policy import new_labels

__all__ = ["Metrics"]

log = logging.getLogger(__name__)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 100.0)


class Metrics:
    """The application's instruments. Each application has its own registry, so tests can make many."""

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter("labelloop_events_total", "Webhook calls by action.", ["action"], registry=self.registry)
        self.errors = Counter("labelloop_errors_total", "Failed requests by error.", ["error"], registry=self.registry)
        self.failed_logins = Counter(
            "labelloop_failed_logins_total",
            "Requests refused for their credentials, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.prelabels = Counter(
            "labelloop_prelabels_total", "Answered tasks by outcome.", ["outcome"], registry=self.registry
        )
        self.requests = Histogram(
            "labelloop_request_seconds",
            "Time to answer, by endpoint and status.",
            ["endpoint", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_ProcessCollector(services))
        self.registry.register(_StateCollector(services))

    def observe(self, app: Flask) -> None:
        """Time every request of the application."""

        @app.before_request
        def start() -> None:
            g.started = time.perf_counter()

        @app.after_request
        def stop(response: Response) -> Response:
            if "started" in g:
                seconds = time.perf_counter() - g.started
                self.requests.labels(request.endpoint or "none", response.status_code).observe(seconds)
            return response

    def count_prelabels(self, prelabels: Prelabels) -> None:
        """Count what became of a request's tasks."""
        for reason, count in prelabels.empty.items():
            self.prelabels.labels(reason).inc(count)
        self.prelabels.labels("answered").inc(len(prelabels.predictions) - prelabels.empty.total())


class _ProcessCollector(Collector):
    """Reads the current alarms of this process, and the cache's own counts."""

    def __init__(self, services: Services) -> None:
        self._alarms, self._answers = services.alarms, services.answers

    def collect(self) -> Iterator[Metric]:
        alarms = GaugeMetricFamily(
            "labelloop_alarms", "Problems that need an operator, by kind; `/health` names them.", labels=["kind"]
        )
        for kind, count in self._alarms.counts().items():
            alarms.add_metric([kind], count)
        texts = CounterMetricFamily(
            "labelloop_cached_texts", "Texts looked up among the answers given before.", labels=["found"]
        )
        texts.add_metric(["yes"], self._answers.hits)
        texts.add_metric(["no"], self._answers.misses)
        size = GaugeMetricFamily("labelloop_cache_bytes", "Memory of these answers.", self._answers.used_bytes)
        yield from (alarms, texts, size)


class _StateCollector(Collector):
    """Reads the database at each scrape, so that several processes report the same; silent while it is away."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not query the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        try:
            yield from self._read()
        except DatabaseUnavailable as error:
            # The other metrics are still reported; an alarm says that the database is away.
            log.warning("the metrics lack the values from the database: %s", error)

    def _read(self) -> Iterator[Metric]:
        database = self._services.database
        jobs = GaugeMetricFamily("labelloop_jobs", "Jobs by state.", labels=["state"])
        for state, count in database.jobs.counts().items():
            jobs.add_metric([state], count)
        fresh = GaugeMetricFamily("labelloop_new_labels", "Labels since the last snapshot.", labels=["project"])
        outcomes = GaugeMetricFamily(
            "labelloop_annotations", "Annotations by what became of the pre-label.", labels=["project", "prelabel"]
        )
        serving = GaugeMetricFamily("labelloop_serving", "1 for what serves.", labels=["project", "model_version"])
        drift = GaugeMetricFamily(
            "labelloop_drift_alarms", "1 for an alarm about what serves, by kind.", labels=["project", "kind"]
        )
        judged = GaugeMetricFamily(
            "labelloop_blind_answers",
            "Blind tasks that people labeled after what serves was trained, by whether it answered so too.",
            labels=["project", "is_right"],
        )
        for project in database.projects.all():
            fresh.add_metric([str(project.id)], new_labels(self._services, project))
            for outcome, count in database.events.prelabel_counts(project.id).items():
                outcomes.add_metric([str(project.id), outcome], count)
            version = announced_version(self._services, project)
            serving.add_metric([str(project.id), version], 1)
            for alarm in database.drift_alarms.all(project.id, version):
                drift.add_metric([str(project.id), alarm.kind.value], 1)
            rows, wrong = database.blind_answers.counts(project.id, version)
            judged.add_metric([str(project.id), "yes"], rows - wrong)
            judged.add_metric([str(project.id), "no"], wrong)
        yield from (jobs, fresh, outcomes, serving, drift, judged)
