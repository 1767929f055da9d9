-- The series that are watched, and the anomalies found in them. Written by the anomaly watcher in the stream's role.

set local role payments_owner;

create table ops.series_minutes (
    minute timestamptz not null,
    dimension text not null,
    value text not null,
    attempts bigint not null,
    approved bigint not null,
    amount_usd_minor bigint not null,
    log_latency double precision not null,
    log_latency_squares double precision not null,
    latency_ms bigint not null,
    latency_p95_ms double precision not null,
    declines jsonb not null,
    is_final boolean not null default false,
    primary key (minute, dimension, value)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

comment on table ops.series_minutes is 'Attempts of each watched series by minute of event time. One row per minute, dimension and value with any attempts.';
comment on column ops.series_minutes.minute is 'Beginning of the minute';
comment on column ops.series_minutes.dimension is 'What the payments are told apart by: all, processor, merchant_segment, issuer, or several joined by " x "';
comment on column ops.series_minutes.value is 'Which of them, for example ProcessorB; all for all payments';
comment on column ops.series_minutes.attempts is 'Authorisation attempts';
comment on column ops.series_minutes.approved is 'Attempts that were approved';
comment on column ops.series_minutes.amount_usd_minor is 'Sum of the amounts in US cents at the reporting rates; currencies without a rate count as 0';
comment on column ops.series_minutes.log_latency is 'Sum of the natural logarithms of the latencies in milliseconds, at least 1 ms each';
comment on column ops.series_minutes.log_latency_squares is 'Sum of the squares of those logarithms';
comment on column ops.series_minutes.latency_ms is 'Sum of the latencies, milliseconds';
comment on column ops.series_minutes.latency_p95_ms is 'Latency that 95 % of the attempts stay within, milliseconds';
comment on column ops.series_minutes.declines is 'Declined attempts by decline reason';
comment on column ops.series_minutes.is_final is 'Whether the minute was counted for good, after late events had their time';

create table ops.series_hours (
    hour timestamptz not null,
    dimension text not null,
    value text not null,
    minutes integer not null,
    attempts bigint not null,
    approved bigint not null,
    log_latency double precision not null,
    log_latency_squares double precision not null,
    declines jsonb not null,
    primary key (hour, dimension, value)
);

comment on table ops.series_hours is 'The calm minutes of each watched series by hour: what the season is learnt from. One row per hour, dimension and value.';
comment on column ops.series_hours.hour is 'Beginning of the hour';
comment on column ops.series_hours.dimension is 'As in series_minutes';
comment on column ops.series_hours.value is 'As in series_minutes';
comment on column ops.series_hours.minutes is 'Minutes of the hour with any payments and without an anomaly';
comment on column ops.series_hours.attempts is 'Authorisation attempts in these minutes';
comment on column ops.series_hours.approved is 'Attempts that were approved';
comment on column ops.series_hours.log_latency is 'Sum of the natural logarithms of the latencies in milliseconds';
comment on column ops.series_hours.log_latency_squares is 'Sum of the squares of those logarithms';
comment on column ops.series_hours.declines is 'Declined attempts by decline reason';

create table ops.anomalies (
    id bigint generated always as identity primary key,
    metric text not null,
    dimension text not null,
    value text not null,
    started_at timestamptz not null,
    detected_at timestamptz not null,
    detected_minute timestamptz not null,
    ended_at timestamptz,
    updated_at timestamptz not null default clock_timestamp(),
    severity text not null check (severity in ('warning', 'critical')),
    expected double precision not null,
    observed double precision not null,
    attempts bigint not null,
    reason text not null,
    is_new_level boolean not null default false,
    evidence jsonb not null,
    unique (metric, dimension, value, started_at)
);

create unique index anomalies_open on ops.anomalies (metric, dimension, value) where ended_at is null;
create index anomalies_started_at on ops.anomalies (started_at);

comment on table ops.anomalies is 'Departures of the live series from what is usual. One row per cause, updated while it lasts.';
comment on column ops.anomalies.id is 'Number of the anomaly';
comment on column ops.anomalies.metric is 'approval_rate, latency, volume or decline_mix';
comment on column ops.anomalies.dimension is 'What the affected payments are told apart by, as in series_minutes';
comment on column ops.anomalies.value is 'Which of them; all for all payments';
comment on column ops.anomalies.started_at is 'First minute of event time that departed';
comment on column ops.anomalies.detected_at is 'When it was found';
comment on column ops.anomalies.detected_minute is 'Minute of event time in which it was found';
comment on column ops.anomalies.ended_at is 'First minute as usual again; null while it lasts';
comment on column ops.anomalies.updated_at is 'When the row was written last';
comment on column ops.anomalies.severity is 'warning or critical, by the largest effect so far';
comment on column ops.anomalies.expected is 'Expected figure: share approved, milliseconds, attempts per minute, or 0 for decline_mix';
comment on column ops.anomalies.observed is 'Observed figure in the same unit; for decline_mix the share of declines with another reason than usual';
comment on column ops.anomalies.attempts is 'Attempts in the window that the figures are of';
comment on column ops.anomalies.reason is 'What happened, for a person';
comment on column ops.anomalies.is_new_level is 'Whether it lasted so long that the new level counts as usual';
comment on column ops.anomalies.evidence is 'Window, statistic, effect, extra declines by reason, and the figures of all other payments';

create table ops.anomaly_progress (
    only_row boolean primary key default true check (only_row),
    judged_until timestamptz not null,
    judged_at timestamptz not null default clock_timestamp()
);

comment on table ops.anomaly_progress is 'How far the series were judged. One row.';
comment on column ops.anomaly_progress.only_row is 'Always true: there is one row';
comment on column ops.anomaly_progress.judged_until is 'Last minute of event time that was judged';
comment on column ops.anomaly_progress.judged_at is 'When that was';

reset role;

grant select on ops.anomalies, ops.series_minutes, ops.anomaly_progress to payments_api;
