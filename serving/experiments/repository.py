"""Counts the arms of experiments in the log of inferences."""

from typing import LiteralString, Protocol

from serving.database import Database
from serving.experiments.models import ArmCounts, ExperimentRow

EXPERIMENTS: LiteralString = """
select experiment as name, model, min(scored_at) as started_at, max(scored_at) as newest_at, count(*) as answers
from ops.inferences
where experiment is not null and scored_at > now() - interval '90 days'
    and (%(name)s::text is null or experiment = %(name)s)
group by experiment, model
order by newest_at desc, name, model
"""

# Labels of fraud and risk do not depend on the answer: there it succeeds by being right.
ARMS: LiteralString = """
with answers as (
    select split_key, arm, version, scored_at, request_id, model, score
    from ops.inferences
    where experiment = %(name)s and model = %(model)s and arm <> 'shadow' and split_key is not null
        and scored_at > now() - interval '90 days'
),
keys as (
    select split_key, min(arm) as arm, count(distinct arm) > 1 as is_crossed
    from answers
    group by split_key
),
outcomes as (
    select distinct on (split_key)
        split_key,
        case when %(by_rightness)s then (score >= 0.5) = outcome else outcome end as is_success
    from answers
    join ops.inference_outcomes using (scored_at, request_id, model, version)
    order by split_key, scored_at
)
select
    arm,
    array(select distinct version from answers where answers.arm = keys.arm order by version) as versions,
    count(*) filter (where not is_crossed) as keys,
    count(is_success) filter (where not is_crossed) as units,
    count(*) filter (where not is_crossed and is_success) as successes,
    count(*) filter (where is_crossed) as crossed
from keys
left join outcomes using (split_key)
group by arm
order by arm <> 'champion', arm
"""

BY_RIGHTNESS = ("fraud_detection_model", "risk_scoring_model")


class Experiments(Protocol):
    """What the endpoints need. Every method raises StoreUnavailable when the log cannot be read."""

    async def found(self, name: str | None = None) -> list[ExperimentRow]:
        """Experiments of the last 90 days, the newest first; those of one name when it is given."""

    async def arms(self, name: str, model: str) -> list[ArmCounts]:
        """The arms of one, the champion first."""


class PostgresExperiments:
    """Experiments in `ops.inferences` and the outcomes beside it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def found(self, name: str | None = None) -> list[ExperimentRow]:
        return await self.database.rows(ExperimentRow, EXPERIMENTS, {"name": name})

    async def arms(self, name: str, model: str) -> list[ArmCounts]:
        wanted = {"name": name, "model": model, "by_rightness": model in BY_RIGHTNESS}
        return await self.database.rows(ArmCounts, ARMS, wanted)
