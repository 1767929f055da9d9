"""What the routing and the retry policy would have earned in the test period."""

import numpy as np

from ml import policies as serving
from ml.datasets.examples import Examples
from ml.errors import MlError
from ml.evaluation import offpolicy, resampling
from ml.evaluation.logged import require_exploration, retry_actions, retry_chances, routing_chances
from ml.evaluation.offpolicy import Actions, Floats, Logged
from ml.evaluation.resampling import Interval
from ml.form import ServedModel
from ml.policy import costs
from ml.training.trained import Evidence, Trained


def routing(trained: Trained) -> Evidence:
    """Approval uplift and fees of sending each payment where the model says, beside where it went."""
    test, model = routed(trained.divided.test, trained.served), trained.served
    outcome = RoutingOutcome(model, test)
    weights = outcome.logged.weights(outcome.chosen)
    fee = float((weights * test.numbers("fee_usd")).sum() / max(1.0, weights.sum()))
    uplift = resampling.interval(resampling.with_ones(outcome.value - outcome.logged.reward), test.hours)
    by_ips = resampling.interval(
        resampling.with_ones(offpolicy.ips(outcome.logged, outcome.chosen) - outcome.logged.reward), test.hours
    )
    truth, ceiling = _routing_truth(test, outcome)
    return Evidence(
        figures={
            "logged_approval": float(outcome.logged.reward.mean()),
            "value": float(outcome.value.mean()),
            "uplift": uplift.value,
            "uplift_low": uplift.low,
            "uplift_by_ips": by_ips.value,
            "effective_rows": offpolicy.effective_rows(outcome.logged, outcome.chosen),
            "fee_usd_logged": float(test.numbers("fee_usd").mean()),
            "fee_usd": fee,
            "cost_usd_per_1000": 1000 * fee,
            "changed_share": float((outcome.chosen != outcome.logged.action).mean()),
            **truth,
        },
        ceiling=ceiling,
        intervals={"uplift": uplift, "uplift_by_ips": by_ips},
        notes=["`uplift` is doubly robust, `uplift_by_ips` by inverse propensity; both in shares of first attempts."],
    )


class RoutingOutcome:
    """What was logged, what the policy chooses, and each row's share in its doubly robust value."""

    def __init__(self, model: ServedModel, test: Examples) -> None:
        names = list(model.facts["processors"])
        action = np.array([names.index(name) for name in test.columns["processor"]], dtype=np.int64)
        chances = routing_chances(test, model.facts["own_processors"])
        require_exploration(action, chances)
        self.names = names
        self.logged = Logged(action, chances, test.label.astype(np.float64))
        guessed = serving.processor_chances(model, test.columns)
        self.chosen: Actions = serving.choose_processor(guessed)
        self.value: Floats = offpolicy.doubly_robust(self.logged, self.chosen, guessed)


def routed(test: Examples, model: ServedModel) -> Examples:
    """The rows of merchants whose own processor is known, so that the chances are."""
    own = model.facts["own_processors"]
    found = test.where(np.array([merchant in own for merchant in test.columns["merchant_id"]], dtype=bool))
    if not found.count:
        raise MlError("No payment is of a merchant that training knew by its merchant_id: routing cannot be judged.")
    return found


def _routing_truth(test: Examples, outcome: RoutingOutcome) -> tuple[dict[str, float], dict[str, float]]:
    """What the simulator knows: how often the choice is best, and what it brings; nothing for a real world."""
    chances = np.column_stack([test.numbers(f"p_{name}") for name in outcome.names])
    if not np.isfinite(chances).all():
        return {}, {}
    rows, best = np.arange(test.count), chances.max(axis=1)
    went = chances[rows, outcome.logged.action]
    ours = chances[rows, outcome.chosen]
    clear = np.sort(chances, axis=1)[:, -1] - np.sort(chances, axis=1)[:, -2] > 0.001
    return (
        {
            "agreement": float((ours[clear] == best[clear]).mean()),
            "logged_agreement": float((went[clear] == best[clear]).mean()),
            "true_uplift": float((ours - went).mean()),
        },
        {"agreement": 1.0, "uplift": float((best - went).mean()), "true_uplift": float((best - went).mean())},
    )


def retrying(trained: Trained) -> Evidence:
    """Declined value that is won back by retrying when and where the model says, beside what was done."""
    start = trained.divided.test.at.min()
    everything = trained.data.examples
    before = everything.where(everything.at <= trained.divided.training.at.max())
    declines = everything.where(everything.at >= start)
    outcome = RetryOutcome(trained.served, before, declines)
    amount = declines.numbers("amount_usd")
    statistics = np.column_stack([outcome.recovered * amount, outcome.logged.reward * amount, amount])
    uplift = resampling.interval(statistics, declines.hours, lambda sums: (sums[:, 0] - sums[:, 1]) / sums[:, 2])
    recovered = resampling.interval(statistics, declines.hours, lambda sums: sums[:, 0] / sums[:, 2])
    by_ips = Interval(*[float((offpolicy.ips(outcome.logged, outcome.chosen) * amount).sum() / amount.sum())] * 3)
    truth, ceiling = _retry_truth(declines, outcome, amount)
    return Evidence(
        figures={
            "declines": float(declines.count),
            "logged_recovered": float((outcome.logged.reward * amount).sum() / amount.sum()),
            "value": recovered.value,
            "uplift": uplift.value,
            "uplift_low": uplift.low,
            "recovered_by_ips": by_ips.value,
            "effective_rows": offpolicy.effective_rows(outcome.logged, outcome.chosen),
            "retried_share": float((outcome.chosen > 0).mean()),
            "logged_retried_share": float((outcome.logged.action > 0).mean()),
            "net_usd_per_1000": _net(outcome.recovered, outcome.chosen, outcome.fee, amount),
            "logged_net_usd_per_1000": _net(outcome.logged.reward, outcome.logged.action, outcome.fee, amount),
            "cost_usd_per_1000": 1000.0 * float(outcome.fee[outcome.chosen > 0].sum()) / declines.count,
            **truth,
        },
        ceiling=ceiling,
        intervals={"value": recovered, "uplift": uplift},
        notes=[
            "`value` and `uplift` are shares of declined value won back by one more attempt, doubly robust; the "
            "chances of waits are counted in training by decline reason and number of attempts.",
        ],
    )


class RetryOutcome:
    """What was done after each decline, what the policy does, and each row's share in what is recovered.

    Actions: 0 is giving up, else the place of a wait plus 1. Rewards: whether the next attempt was approved.
    """

    def __init__(self, model: ServedModel, before: Examples, declines: Examples) -> None:
        columns, amount = declines.columns, declines.numbers("amount_usd")
        fee = serving.RetryFee.of(model)
        guessed = serving.wait_chances(model, columns)
        allowed = serving.allowed_waits(model, columns)
        self.fee: Floats = fee.usd(amount)
        self.chosen: Actions = serving.choose_wait(guessed, allowed, amount, fee) + 1
        self.logged = Logged(
            retry_actions(declines), retry_chances(before, declines), declines.label.astype(np.float64)
        )
        with_giving_up = np.column_stack([np.zeros(declines.count), guessed])
        self.recovered: Floats = offpolicy.doubly_robust(self.logged, self.chosen, with_giving_up)


def _net(recovered: Floats, action: Actions, fee: Floats, amount: Floats) -> float:
    """Margin won back less the fees of the retries, in US dollars per 1,000 declines."""
    return 1000.0 * float((recovered * amount).sum() * costs().margin_share - fee[action > 0].sum()) / len(action)


def _retry_truth(
    declines: Examples, outcome: RetryOutcome, amount: Floats
) -> tuple[dict[str, float], dict[str, float]]:
    """What the simulator knows: value won back by the policy, and by the best wait for every decline."""
    if "p_after" not in declines.columns or any(one is None for one in declines.columns["p_after"]):
        return {}, {}
    after = np.array(declines.columns["p_after"])
    with_giving_up = np.column_stack([np.zeros(declines.count), after])
    ours = with_giving_up[np.arange(declines.count), outcome.chosen]
    best = float((after.max(axis=1) * amount).sum() / amount.sum())
    return {"true_value": float((ours * amount).sum() / amount.sum())}, {"value": best, "true_value": best}
