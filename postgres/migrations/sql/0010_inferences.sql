-- What the models answered. Written by the API off the request path; watched for drift, and read for experiments.

set local role payments_owner;

create table ops.inferences (
    request_id uuid not null,
    scored_at timestamptz not null,
    model text not null,
    version integer not null,
    arm text not null check (arm in ('champion', 'challenger', 'canary', 'shadow')),
    experiment text,
    split_key text,
    transaction_id text,
    merchant_id text,
    request jsonb not null,
    score double precision not null,
    scores jsonb,
    decision text not null,
    policy_rules text[] not null default '{}',
    reasons jsonb not null default '[]',
    latency_us integer not null,
    primary key (scored_at, request_id, model, version)
) partition by range (scored_at);

comment on table ops.inferences is 'Answers of the models, those in the shadow too. One row per request, model and version.';
comment on column ops.inferences.request_id is 'Identity of the request';
comment on column ops.inferences.scored_at is 'When it was answered';
comment on column ops.inferences.model is 'Registered model';
comment on column ops.inferences.version is 'Its version';
comment on column ops.inferences.arm is 'champion, challenger, canary or shadow';
comment on column ops.inferences.experiment is 'Name of the split that chose the arm; null without one';
comment on column ops.inferences.split_key is 'The stable key that was hashed for it';
comment on column ops.inferences.transaction_id is 'Purchase that was asked about';
comment on column ops.inferences.merchant_id is 'Its merchant';
comment on column ops.inferences.request is 'The request as the model saw it, null for what was missing';
comment on column ops.inferences.score is 'P(positive), or the probability of the class that was chosen';
comment on column ops.inferences.scores is 'Probabilities per class, processor or wait; null where score says all';
comment on column ops.inferences.decision is 'What was answered';
comment on column ops.inferences.policy_rules is 'Rules that overrode or flagged it';
comment on column ops.inferences.reasons is 'What contributed most: a list of feature, value and contribution';
comment on column ops.inferences.latency_us is 'From the request to the answer, microseconds';

grant insert, select on ops.inferences to payments_api;

reset role;
