-- The watch over the models: what came of their answers, each hour of them, drift, and requests to train again. Written by
-- the watcher and by retraining in the stream's role; the API reads outcomes for experiments.

set local role payments_owner;

create index inferences_experiment on ops.inferences (experiment, model, scored_at) where experiment is not null;

create table ops.inference_outcomes (
    scored_at timestamptz not null,
    request_id uuid not null,
    model text not null,
    version integer not null,
    outcome boolean not null,
    known_at timestamptz not null default clock_timestamp(),
    primary key (scored_at, request_id, model, version)
);

comment on table ops.inference_outcomes is 'What came of an answer, once that is known for good. One row per row of ops.inferences whose payment or label was found.';
comment on column ops.inference_outcomes.scored_at is 'When it was answered';
comment on column ops.inference_outcomes.request_id is 'Identity of the request';
comment on column ops.inference_outcomes.model is 'Registered model';
comment on column ops.inference_outcomes.version is 'Its version';
comment on column ops.inference_outcomes.outcome is 'Whether the attempt was approved; for fraud and risk whether the purchase was fraud';
comment on column ops.inference_outcomes.known_at is 'When it was looked up';

create table ops.model_hours (
    model text not null,
    version integer not null,
    hour timestamptz not null,
    rows bigint not null default 0,
    counts jsonb not null default '{}',
    outcome_rows bigint not null default 0,
    predicted double precision not null default 0,
    variance double precision not null default 0,
    observed double precision not null default 0,
    loss double precision not null default 0,
    primary key (model, version, hour)
);
create index model_hours_hour on ops.model_hours (hour);

comment on table ops.model_hours is 'Requests, answers and outcomes by hour. One row per model version and UTC hour with any requests.';
comment on column ops.model_hours.model is 'Registered model';
comment on column ops.model_hours.version is 'Its version';
comment on column ops.model_hours.hour is 'Beginning of the hour';
comment on column ops.model_hours.rows is 'Requests';
comment on column ops.model_hours.counts is 'By feature, and score for the answers: how often each place of its scale in ops.model_references occurred, of an even sample';
comment on column ops.model_hours.outcome_rows is 'Answers with known outcome; 0 until the hour is ripe';
comment on column ops.model_hours.predicted is 'Sum of P(positive) of these';
comment on column ops.model_hours.variance is 'Sum of P times (1 - P) of these';
comment on column ops.model_hours.observed is 'Positives among these';
comment on column ops.model_hours.loss is 'Sum of the log losses of these';

create table ops.model_references (
    model text not null,
    version integer not null,
    reference jsonb not null,
    kept_at timestamptz not null default clock_timestamp(),
    primary key (model, version)
);

comment on table ops.model_references is 'What a version''s test period was like, as its training kept it in MLflow. One row per version that answered.';
comment on column ops.model_references.model is 'Registered model';
comment on column ops.model_references.version is 'Its version';
comment on column ops.model_references.reference is 'Scales, counts by hour of the week, and performance';
comment on column ops.model_references.kept_at is 'When it was fetched';

create table ops.watching_progress (
    step text primary key,
    done_until timestamptz not null,
    updated_at timestamptz not null default clock_timestamp()
);

comment on table ops.watching_progress is 'How far the watch is. One row per step.';
comment on column ops.watching_progress.step is 'requests, judged, or outcomes: and the model';
comment on column ops.watching_progress.done_until is 'End of the newest hour that is done';
comment on column ops.watching_progress.updated_at is 'When this was last written';

create table ops.drift (
    id bigint generated always as identity primary key,
    model text not null,
    version integer not null,
    kind text not null check (kind in ('data', 'prediction', 'performance')),
    feature text not null,
    started_at timestamptz not null,
    detected_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    updated_at timestamptz not null default clock_timestamp(),
    value double precision not null,
    rows bigint not null,
    reason text not null,
    unique (model, version, kind, feature, started_at)
);
create unique index drift_open on ops.drift (model, version, kind, feature) where ended_at is null;
create index drift_started_at on ops.drift (started_at);

comment on table ops.drift is 'Times in which the world was not the one that a model learnt. One row per model version, kind and feature, from its start to its end.';
comment on column ops.drift.id is 'Number of the row, rising';
comment on column ops.drift.model is 'Registered model';
comment on column ops.drift.version is 'Its version';
comment on column ops.drift.kind is 'data (requests), prediction (answers) or performance (answers beside outcomes)';
comment on column ops.drift.feature is 'Feature of the model; score; calibration or log_loss';
comment on column ops.drift.started_at is 'Hour at whose look it began';
comment on column ops.drift.detected_at is 'When it was found';
comment on column ops.drift.ended_at is 'Hour at whose look it was over; null while it is not';
comment on column ops.drift.updated_at is 'When this row was last written';
comment on column ops.drift.value is 'Newest distance from the test period: stability index, log odds, or growth of the log loss';
comment on column ops.drift.rows is 'Requests or outcomes behind it';
comment on column ops.drift.reason is 'What moved, in words';

create table ops.retraining_requests (
    id bigint generated always as identity primary key,
    model text not null,
    asked_at timestamptz not null default clock_timestamp(),
    why text not null,
    state text not null default 'asked' check (state in ('asked', 'running', 'done', 'failed')),
    attempts integer not null default 0,
    began_at timestamptz,
    ended_at timestamptz,
    run_id text,
    version integer,
    note text
);
create unique index retraining_requests_open on ops.retraining_requests (model) where state in ('asked', 'running');

comment on table ops.retraining_requests is 'Wishes that a model be trained again. One row per wish; one at a time is open per model.';
comment on column ops.retraining_requests.id is 'Number of the row, rising';
comment on column ops.retraining_requests.model is 'Registered model';
comment on column ops.retraining_requests.asked_at is 'When it was asked for';
comment on column ops.retraining_requests.why is 'What had drifted, and since when';
comment on column ops.retraining_requests.state is 'asked, running, done or failed';
comment on column ops.retraining_requests.attempts is 'How often training began';
comment on column ops.retraining_requests.began_at is 'When it last began';
comment on column ops.retraining_requests.ended_at is 'When it ended';
comment on column ops.retraining_requests.run_id is 'Run in MLflow; null until there is one';
comment on column ops.retraining_requests.version is 'Version that was registered as challenger; null when a gate kept it out';
comment on column ops.retraining_requests.note is 'Why it failed, or what kept the model out of the registry';

grant select on ops.inference_outcomes, ops.drift, ops.retraining_requests to payments_api;

reset role;
