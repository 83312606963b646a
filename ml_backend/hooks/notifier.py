"""The hook that posts signed messages to a URL."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ..domain.snapshot import Snapshot
from ..errors import ConfigurationError
from . import TrainingInfo, hookimpl

__all__ = ["WebhookNotifier"]

SHORTEST_SECRET = 16
ATTEMPTS = 3
FIRST_PAUSE_S = 0.5
ANSWER_TIMEOUT_S = 5.0
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, *range(500, 600)})


class WebhookNotifier:
    """Posts JSON to a URL when a snapshot is written, a version trained or promoted, or drift found: no texts.

    The relay calls it beside the loop, so nobody waits while it tries: three times at most, and 5 s for each answer.

    Args:
        secret: the key of the signatures, which the receiver has as well.

    Raises:
        ConfigurationError: the URL is none, or the secret is too short.
    """

    # Headers of every call; the receiver needs all three to tell a repeated call from a forged one.
    TIMESTAMP, SIGNATURE, DELIVERY = "X-Labelloop-Timestamp", "X-Labelloop-Signature", "X-Labelloop-Delivery"

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        now: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"LABELLOOP_NOTIFY_URL: {url!r} found; wanted http:// or https://")
        if len(secret) < SHORTEST_SECRET:
            raise ConfigurationError(
                f"LABELLOOP_NOTIFY_SECRET has {len(secret)} characters; wanted at least {SHORTEST_SECRET}, for "
                "instance those of `openssl rand -hex 32`"
            )
        self._url, self._secret, self._now, self._pause = url, secret, now, pause

    @hookimpl
    def snapshot_written(self, snapshot: Snapshot) -> None:
        """Post `snapshot_written`, unless the snapshot was there before."""
        if snapshot.is_new:
            counts = dict(snapshot.manifest.counts)
            self._post(
                "snapshot_written",
                {"project": snapshot.manifest.project.key, "snapshot_id": snapshot.id, "counts": counts},
            )

    @hookimpl
    def model_trained(self, training: TrainingInfo) -> None:
        """Post `model_trained`."""
        self._post(
            "model_trained",
            {
                "project": training.project,
                "model_version": training.model_version,
                "snapshot_id": training.snapshot.id,
                "metrics": dict(training.metrics),
            },
        )

    @hookimpl
    def model_promoted(self, project: str, model_version: str, previous: str, reason: str) -> None:
        """Post `model_promoted`."""
        self._post(
            "model_promoted",
            {"project": project, "model_version": model_version, "previous": previous, "reason": reason},
        )

    @hookimpl
    def drift_found(self, project: str, model_version: str, kind: str, sentence: str) -> None:
        """Post `drift_found`."""
        self._post(
            "drift_found", {"project": project, "model_version": model_version, "kind": kind, "sentence": sentence}
        )

    @staticmethod
    def signature(secret: str, timestamp: str, body: bytes) -> str:
        """Return `v1=` and the HMAC-SHA256 of timestamp, dot and body under the secret, in hexadecimal."""
        return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()

    def _post(self, event: str, data: Mapping[str, Any]) -> None:
        import httpx

        body = json.dumps({"event": event, "data": data}, ensure_ascii=False).encode()
        delivery = str(uuid.uuid4())
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(FIRST_PAUSE_S * 2 ** (attempt - 1))
            timestamp = str(int(self._now()))
            headers = {
                "Content-Type": "application/json",
                self.DELIVERY: delivery,
                self.TIMESTAMP: timestamp,
                self.SIGNATURE: self.signature(self._secret, timestamp, body),
            }
            try:
                answer = httpx.post(self._url, content=body, headers=headers, timeout=ANSWER_TIMEOUT_S)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if answer.is_success:
                return
            problem = f"it answered {answer.status_code}"
            if answer.status_code not in WORTH_ANOTHER_TRY:
                break
        raise ConnectionError(f"{event} was not delivered to the URL of LABELLOOP_NOTIFY_URL: {problem}")
