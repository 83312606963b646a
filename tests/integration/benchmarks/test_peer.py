"""The peer answers as Label Studio expects it of a backend."""

from benchmarks.banking77_export import label_config
from benchmarks.peer_server import create_app

LABELS = ("card_arrival", "card_linking", "exchange_rate")


def test_the_peer_answers_every_task_with_one_of_the_labels() -> None:
    client = create_app(label_config(LABELS)).test_client()
    assert client.get("/health").get_json()["status"] == "UP"
    texts = ["Where is my card?", "What is the rate of the dollar " * 100, "Where is my card?"]
    tasks = [{"id": n, "data": {"text": text}} for n, text in enumerate(texts)]
    results = client.post("/predict", json={"tasks": tasks, "project": "1.1", "label_config": ""}).get_json()["results"]
    chosen = [result["result"][0]["value"]["choices"] for result in results]
    assert len(chosen) == 3
    assert all(len(each) == 1 and each[0] in LABELS for each in chosen)
    assert chosen[0] == chosen[2]
    region = results[0]["result"][0]
    assert (region["from_name"], region["to_name"], region["type"]) == ("intent", "text", "choices")
    assert 1 / 3 <= results[0]["score"] <= 1
    assert {result["model_version"] for result in results} == {"peer"}
