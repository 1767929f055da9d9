"""Who answers is decided by the key alone, in the share that was asked for."""

import pytest

from serving.decisions.experiments import Experiment, parse
from serving.decisions.watched import BadFile

ROW = {"name": "one", "model": "fraud_detection_model", "kind": "split", "share": 0.1}


def test_a_tenth_of_the_keys_is_a_tenth() -> None:
    experiment = Experiment("one", "fraud_detection_model", "split", 0.1)
    taken = sum(experiment.takes(str(key)) for key in range(200_000))
    assert taken == pytest.approx(20_000, abs=4 * (200_000 * 0.1 * 0.9) ** 0.5)


def test_a_key_stays_where_it_is_and_keeps_there_when_the_share_grows() -> None:
    small, large = (Experiment("one", "fraud_detection_model", "split", share) for share in (0.1, 0.3))
    keys = [f"m-{number:05d}" for number in range(3_000)]
    assert {key for key in keys if small.takes(key)} < {key for key in keys if large.takes(key)}


def test_two_experiments_deal_independently() -> None:
    one, two = (Experiment(name, "fraud_detection_model", "split", 0.5) for name in ("one", "two"))
    both = sum(one.takes(str(key)) and two.takes(str(key)) for key in range(20_000))
    assert both == pytest.approx(5_000, abs=300)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_and_all(share: float) -> None:
    experiment = Experiment("one", "fraud_detection_model", "split", share)
    assert {experiment.takes(str(key)) for key in range(1_000)} == {share == 1.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "coin"}, "kind is one of"),
        ({"share": 1.5}, "share is between 0 and 1"),
        ({"share": "half"}, "share is between 0 and 1"),
        ({"key": "email"}, "key is one of"),
        ({"model": "zoo"}, "no model 'zoo'"),
        ({"shares": 0.1}, "wrong entry"),
        ({"name": 7}, "name is a text"),
    ],
)
def test_a_wrong_file_says_what_would_be_right(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(BadFile, match=message):
        parse({"experiments": [{**ROW, **wrong}]})


def test_something_else_than_a_list_is_refused() -> None:
    with pytest.raises(BadFile, match="list of tables"):
        parse({"experiments": 5})


def test_a_model_has_one_experiment_at_a_time() -> None:
    with pytest.raises(BadFile, match="two experiments"):
        parse({"experiments": [ROW, {**ROW, "name": "two"}]})
    with pytest.raises(BadFile, match="same name"):
        parse({"experiments": [ROW, {**ROW, "model": "risk_scoring_model"}]})
    assert parse({"experiments": []}) == {}
