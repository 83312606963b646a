"""Whatever the body is: it is read, or refused with the one error that the web layer turns into a 400."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.errors import PayloadError
from ml_backend.labelstudio.payloads import PredictRequest, SetupRequest, parse_webhook, task_from_export
from tests.recordings import recorded, recorded_names

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
PARSERS = {"webhook_": parse_webhook, "setup": SetupRequest.read, "predict_": PredictRequest.read}
BODIES = [(parse, recorded(name)) for prefix, parse in PARSERS.items() for name in recorded_names(prefix)]
BODIES += [(task_from_export, task) for task in recorded("export_snapshot_full_predictions")]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to everything inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_recorded_body_with_one_value_replaced_is_read_or_refused(data: st.DataObject) -> None:
    parse, body = data.draw(st.sampled_from(BODIES))
    *path, last = data.draw(st.sampled_from(list(places(body))))
    changed = copy.deepcopy(body)
    place = changed
    for key in path:
        place = place[key]
    place[last] = data.draw(JSON)

    with suppress(PayloadError):
        parse(changed)


@settings(max_examples=200, deadline=None)
@given(body=JSON, parse=st.sampled_from([*PARSERS.values(), task_from_export]))
def test_any_json_at_all_is_read_or_refused(body: Any, parse: Any) -> None:
    with suppress(PayloadError):
        parse(body)
