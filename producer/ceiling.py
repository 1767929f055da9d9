"""What the best possible model could score in this world, by simulation with the true probabilities.

`python -m producer simulate --print-ceiling` prints it; the README says what each figure means.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from producer import scoring
from producer.approval import approval_probability, hazards, outcome
from producer.incidents import CALM
from producer.purchases import Purchase
from producer.retries import HABITS, MAX_ATTEMPTS, retry_wait
from producer.schedule import Schedule
from producer.simulator import Scenario, Simulator

DAY_MS = 86_400_000
Figures = dict[str, float]


@dataclass(frozen=True)
class Ceiling:
    """Figures by task and name; shares unless the name says otherwise."""

    purchases: int
    tasks: dict[str, Figures]

    def lines(self) -> list[str]:
        """A table to print."""
        rows = [f"Best possible scores, from {self.purchases:,} simulated purchases of one day:"]
        for task, figures in self.tasks.items():
            rows += [f"  {task:<10} {name:<44} {value:>10.4f}" for name, value in figures.items()]
        return rows


def measure(scenario: Scenario, purchases: int = 100_000) -> Ceiling:
    """Simulate a day of this many purchases and judge the truth against what happens."""
    day = replace(scenario, schedule=Schedule(purchases * 1000 / DAY_MS, 0), namespace="ceiling", incidents=())
    simulator = Simulator(day)
    world = [(simulator.next_purchase(at_ms), at_ms // 3_600_000) for at_ms in range(0, DAY_MS, DAY_MS // purchases)]
    rng = Random(f"{scenario.seed}/ceiling")
    return Ceiling(
        len(world),
        {
            "approval": approval_ceiling(world, rng),
            "fraud": fraud_ceiling([purchase for purchase, _ in world]),
            "routing": routing_ceiling(world, simulator.world.processors),
            "retry": retry_ceiling(world, rng),
        },
    )


def approval_ceiling(world: Sequence[tuple[Purchase, int]], rng: Random) -> Figures:
    """First attempts, scored by their true probability of approval."""
    truth = [approval_probability(hazards(purchase, purchase.processor, hour, CALM)) for purchase, hour in world]
    scored = [(p, rng.random() < p) for p in truth]
    return {
        "approval rate": sum(truth) / len(truth),
        "accuracy": scoring.accuracy(scored),
        "log loss, nats": scoring.log_loss(scored),
        "ROC-AUC": scoring.roc_auc(scored),
        "PR-AUC of declines": scoring.average_precision([(1.0 - p, not happened) for p, happened in scored]),
    }


def fraud_ceiling(purchases: Sequence[Purchase]) -> Figures:
    """The share of fraud among purchases that look alike, learnt on one half and judged on the other."""
    users = _users_of_devices(purchases)
    looks = [(appearance(purchase, len(users[purchase.device_id])), purchase.is_fraud) for purchase in purchases]
    known, judged = looks[::2], looks[1::2]
    seen = Counter(look for look, _ in known)
    frauds = Counter(look for look, is_fraud in known if is_fraud)
    posterior = {look: frauds[look] / number for look, number in seen.items()}
    threshold = scoring.best_threshold([(posterior[look], is_fraud) for look, is_fraud in known])
    scored = [(posterior.get(look, 0.0), is_fraud) for look, is_fraud in judged]
    precision, recall = scoring.precision_recall(scored, threshold)
    return {
        "fraud rate": sum(purchase.is_fraud for purchase in purchases) / len(purchases),
        "precision": precision,
        "recall": recall,
        "F1": scoring.f1(precision, recall),
        "PR-AUC": scoring.average_precision(scored),
    }


def appearance(purchase: Purchase, device_users: int) -> tuple[str, bool, int, bool, bool]:
    """What can be seen of a purchase: whose device, place, size of the basket, scores."""
    size = purchase.amount_usd / purchase.merchant.basket_usd
    return (
        "shared" if device_users > 1 else "own" if purchase.device_id in purchase.customer.devices else "new",
        purchase.location == purchase.customer.city,
        0 if purchase.amount_usd < 3.0 else 1 if size < 1.5 else 2 if size < 4.0 else 3,
        purchase.fraud_score >= 0.6,
        purchase.device_trust_score < 0.5,
    )


def routing_ceiling(world: Sequence[tuple[Purchase, int]], processors: Sequence[str]) -> Figures:
    """The best processor by true probability against the world's own routing."""
    unique = 0
    agrees = 0
    uplift = 0.0
    for purchase, hour in world:
        chances = {name: approval_probability(hazards(purchase, name, hour, CALM)) for name in processors}
        best = max(chances.values())
        unique += sum(chance > best - 0.001 for chance in chances.values()) == 1
        agrees += chances[purchase.processor] == best
        uplift += best - chances[purchase.processor]
    count = len(world)
    return {
        "one processor is best (by > 0.001)": unique / count,
        "world's routing picks the best": agrees / count,
        "approval uplift of the best, points": 100 * uplift / count,
    }


def retry_ceiling(world: Sequence[tuple[Purchase, int]], rng: Random) -> Figures:
    """Retries as the world makes them, judged by their true probability; and the value of always waiting enough."""
    scored: list[tuple[float, bool]] = []
    usual_usd = patient_usd = declined_usd = 0.0
    for purchase, hour in world:
        reason = outcome(hazards(purchase, purchase.processor, hour, CALM), rng.random())
        if reason is None:
            continue
        declined_usd += purchase.amount_usd
        patient_usd += purchase.amount_usd * chance_after(purchase, reason, _long_enough(reason), hour)
        wait = retry_wait(reason, 1, rng.random(), rng.random())
        if wait is not None:
            chance = chance_after(purchase, reason, wait, hour)
            scored.append((chance, rng.random() < chance))
            usual_usd += purchase.amount_usd * chance
    return {
        "retries that succeed": sum(happened for _, happened in scored) / len(scored),
        "accuracy": scoring.accuracy(scored),
        "ROC-AUC": scoring.roc_auc(scored),
        "declined value recovered by the world": usual_usd / declined_usd,
        "declined value recovered by the best wait": patient_usd / declined_usd,
    }


def chance_after(purchase: Purchase, reason: str, minutes: float, hour: int) -> float:
    """P(approved) of a first retry, were it made after this wait."""
    retry = replace(
        purchase,
        attempt_number=min(2, MAX_ATTEMPTS),
        previous_decline_reason=reason,
        minutes_since_decline=minutes,
        three_ds_outcome="challenge_passed" if reason == "3ds_failed" else purchase.three_ds_outcome,
    )
    return approval_probability(hazards(retry, retry.processor, int(hour + minutes / 60) % 24, CALM))


def _long_enough(reason: str) -> float:
    return HABITS[reason].patient[1] if reason in HABITS else 0.0


def _users_of_devices(purchases: Iterable[Purchase]) -> dict[str, set[int]]:
    users: dict[str, set[int]] = defaultdict(set)
    for purchase in purchases:
        users[purchase.device_id].add(purchase.customer.user_id)
    return users
