"""The reports there are. A new one is a declaration here; its SQL, parameters, models and route follow."""

from serving.analytics.reports.declaration import Dimension, Kind, Measure, Percentiles, Ratio, Report

SEGMENT = Dimension("merchant_segment", "Line of business of the merchant.", "Travel")
PROCESSOR = Dimension("processor", "Processor that carried the attempt.", "ProcessorA")
NETWORK = Dimension("card_network", "Scheme of the card.", "Visa")
MERCHANT_COUNTRY = Dimension("merchant_country", "Country of the merchant, ISO 3166-1 alpha-2.", "DE")
ISSUER_COUNTRY = Dimension("issuer_country", "Country of the card issuer, ISO 3166-1 alpha-2.", "FR")

ATTEMPTS = Measure("attempts", "Authorisation attempts")
APPROVED = Measure("approved", "Approved attempts")
AMOUNT_USD = Measure("amount_usd", "Amount of all attempts", Kind.USD)
APPROVED_USD = Measure("approved_amount_usd", "Amount of approved attempts", Kind.USD)
FEE_USD = Measure("fee_usd", "Fees of the processors", Kind.USD)
LATENCY_MS = Measure("latency_ms", "Processing time of all attempts, milliseconds", shown=False)
PIPELINE_ERRORS = Measure("pipeline_errors", "Attempts that a fault of the pipeline touched")

COMMON = (
    ATTEMPTS,
    APPROVED,
    Measure("declined", "Declined attempts"),
    Measure("first_attempts", "Attempts that are no retry; one per purchase"),
    Measure("first_attempts_approved", "Approved attempts that are no retry"),
    AMOUNT_USD,
    APPROVED_USD,
    FEE_USD,
    LATENCY_MS,
)
COMMON_RATIOS = (
    Ratio("approval_rate", "Approved among all attempts", "approved", "attempts"),
    Ratio("first_attempt_approval_rate", "Approved among first attempts", "first_attempts_approved", "first_attempts"),
    Ratio(
        "purchase_approval_rate",
        "Approved attempts among first attempts: purchases approved at last, retries folded",
        "approved",
        "first_attempts",
    ),
    Ratio("average_latency_ms", "Mean processing time", "latency_ms", "attempts", digits=3, unit="milliseconds"),
)
ERROR_RATE = Ratio("error_rate", "Attempts touched by a fault of the pipeline", "pipeline_errors", "attempts")

SOLUTIONS = Report(
    name="solutions",
    view="v_solution_performance",
    summary="Approvals by payment solution, processor, card network and segment.",
    dimensions=(
        Dimension("payment_solution", "How the payment was made: standard, 3ds, network_token, …", "network_token"),
        PROCESSOR,
        NETWORK,
        SEGMENT,
    ),
    measures=(*COMMON, Measure("network_tokens", "Attempts with a network token"), PIPELINE_ERRORS),
    ratios=(
        *COMMON_RATIOS,
        Ratio("network_token_share", "Attempts with a network token among all", "network_tokens", "attempts"),
        ERROR_RATE,
    ),
    main_dimension="payment_solution",
    main_measure="attempts",
)

GEOGRAPHY = Report(
    name="geography",
    view="v_performance_by_geography",
    summary="Approvals by country of merchant and issuer.",
    dimensions=(
        MERCHANT_COUNTRY,
        ISSUER_COUNTRY,
        Dimension("is_cross_border", "Whether merchant and issuer are in different countries.", True, bool),
        SEGMENT,
    ),
    measures=COMMON,
    ratios=COMMON_RATIOS,
    main_dimension="issuer_country",
    main_measure="attempts",
)

MERCHANTS = Report(
    name="merchants",
    view="v_merchant_performance",
    summary="Approvals and net revenue by merchant.",
    dimensions=(Dimension("merchant_id", "Merchant.", "m-00001"), SEGMENT, MERCHANT_COUNTRY),
    measures=(*COMMON, Measure("net_usd", "Approved amount less fees", Kind.USD)),
    ratios=COMMON_RATIOS,
    main_dimension="merchant_id",
    main_measure="attempts",
)

THREE_DS = Report(
    name="3ds",
    view="v_3ds_performance",
    summary="3-D Secure: frictionless and challenged attempts, and what they bring.",
    dimensions=(
        Dimension("uses_3ds", "Whether the attempt went through 3-D Secure.", True, bool),
        Dimension("three_ds_outcome", "Its outcome; none when it was not used or is unknown.", "frictionless"),
        NETWORK,
        ISSUER_COUNTRY,
    ),
    measures=(
        *COMMON,
        Measure("authenticated", "Attempts through 3-D Secure", column="attempts", only_where="uses_3ds"),
        Measure("frictionless", "Attempts authenticated without a challenge"),
        Measure("challenges", "Attempts that were challenged"),
        Measure("challenges_passed", "Challenges that the customer passed"),
    ),
    ratios=(
        *COMMON_RATIOS,
        Ratio("frictionless_rate", "Frictionless among attempts through 3-D Secure", "frictionless", "authenticated"),
        Ratio("challenge_rate", "Challenged among attempts through 3-D Secure", "challenges", "authenticated"),
        Ratio("challenge_success_rate", "Passed among challenged", "challenges_passed", "challenges"),
    ),
    main_dimension="three_ds_outcome",
    main_measure="attempts",
)

FINANCIAL = Report(
    name="financial",
    view="v_financial_summary",
    summary="Money attempted, approved, declined, recoverable, paid in fees and charged back.",
    dimensions=(Dimension("currency", "ISO 4217 code.", "EUR"), SEGMENT),
    measures=(
        ATTEMPTS,
        APPROVED,
        Measure("amount", "Amount of all attempts", Kind.MONEY),
        Measure("approved_amount", "Amount of approved attempts", Kind.MONEY),
        Measure("declined_amount", "Amount of declined attempts", Kind.MONEY),
        Measure("fee", "Fees of the processors", Kind.MONEY),
        Measure("net", "Approved amount less fees", Kind.MONEY),
        AMOUNT_USD,
        APPROVED_USD,
        Measure("declined_amount_usd", "Amount of declined attempts", Kind.USD),
        FEE_USD,
        Measure("net_usd", "Approved amount less fees", Kind.USD),
        Measure("soft_declined_amount_usd", "Amount of declines that a retry may turn", Kind.USD),
        Measure("hard_declined_amount_usd", "Amount of declines that a retry will not turn", Kind.USD),
        Measure("recoverable_amount_usd", "Declined amount that well-timed retries may recover", Kind.USD),
        Measure("false_declined_amount_usd", "Declined amount of payments that look honest, estimate", Kind.USD),
        Measure("chargebacks", "Approved attempts that were fraud; null where no hour was counted yet", nullable=True),
        Measure(
            "chargeback_amount_usd", "Amount of those; null where no hour was counted yet", Kind.USD, nullable=True
        ),
        Measure(
            "approved_with_known_chargebacks",
            "Approved attempts of the hours whose chargebacks were counted",
            column="approved",
            only_where="chargebacks is not null",
            nullable=True,
        ),
    ),
    ratios=(
        Ratio("approval_rate", "Approved among all attempts", "approved", "attempts"),
        Ratio("fee_rate", "Fees for each approved dollar", "fee_usd", "approved_amount_usd", unit="ratio"),
        Ratio(
            "chargeback_rate",
            "Charged back among approved attempts, over the hours whose chargebacks were counted",
            "chargebacks",
            "approved_with_known_chargebacks",
        ),
    ),
    main_dimension="currency",
    main_measure="amount_usd",
)

RISK = Report(
    name="risk",
    view="v_risk_distribution",
    summary="Attempts by risk tier and size, declines for suspected fraud, and how many of them look false.",
    dimensions=(
        Dimension("risk_tier", "LOW, MEDIUM or HIGH by the fraud score.", "HIGH"),
        Dimension("amount_bucket", "micro, small, medium or large.", "medium"),
        SEGMENT,
    ),
    measures=(
        *COMMON,
        Measure("fraud_score_sum", "Sum of the fraud scores", Kind.NUMBER, shown=False),
        Measure("fraud_suspected", "Attempts declined for suspected fraud"),
        Measure("false_declines", "Declines of risk tier LOW as fraud_suspected or do_not_honor; an estimate"),
    ),
    ratios=(
        *COMMON_RATIOS,
        Ratio("average_fraud_score", "Mean fraud score", "fraud_score_sum", "attempts", unit="0..1"),
        Ratio("fraud_suspected_rate", "Declined for suspected fraud among all attempts", "fraud_suspected", "attempts"),
        Ratio("false_decline_rate", "False declines, estimated, among all declines", "false_declines", "declined"),
    ),
    main_dimension="risk_tier",
    main_measure="attempts",
)

RETRY = Report(
    name="retry",
    view="v_retry_performance",
    summary="What retries recover, by attempt, reason of the decline before, and wait.",
    dimensions=(
        Dimension("attempt_number", "Which attempt of the purchase: 2 to 5, where 5 means fifth or later.", 2, int),
        Dimension("previous_decline_reason", "Why the attempt before was declined.", "insufficient_funds"),
        Dimension("reason_kind", "soft, hard or unknown.", "soft"),
        Dimension(
            "wait_bucket", "Wait: under_5_minutes, under_1_hour, under_1_day, longer or unknown.", "under_1_hour"
        ),
    ),
    measures=(
        Measure("retries", "Attempts after a decline"),
        Measure("recovered", "Retries that were approved"),
        Measure("amount_usd", "Amount of the retries", Kind.USD),
        Measure("recovered_amount_usd", "Amount of the approved retries", Kind.USD),
    ),
    ratios=(Ratio("recovery_rate", "Approved among retries", "recovered", "retries"),),
    main_dimension="previous_decline_reason",
    main_measure="retries",
)

SYSTEM = Report(
    name="system",
    view="v_system_performance",
    summary="Latency percentiles and faults by processor.",
    dimensions=(PROCESSOR,),
    measures=(
        ATTEMPTS,
        PIPELINE_ERRORS,
        Measure("late", "Attempts that arrived after the watermark"),
        LATENCY_MS,
    ),
    ratios=(
        ERROR_RATE,
        Ratio("average_latency_ms", "Mean processing time", "latency_ms", "attempts", digits=3, unit="milliseconds"),
    ),
    percentiles=Percentiles(
        "v_latency_distribution_hourly", (("latency_p50_ms", 0.5), ("latency_p95_ms", 0.95), ("latency_p99_ms", 0.99))
    ),
    main_dimension="processor",
    main_measure="attempts",
)

DECLINES = Report(
    name="declines",
    view="v_decline_reasons_hourly",
    summary="Declines by reason over a range of hours.",
    dimensions=(
        Dimension("decline_reason", "Code of the decline taxonomy.", "insufficient_funds"),
        Dimension("kind", "soft (a retry may succeed), hard (it will not) or unknown.", "soft"),
        PROCESSOR,
        SEGMENT,
        NETWORK,
    ),
    measures=(
        Measure("declines", "Declined attempts"),
        Measure("amount_usd", "Declined amount", Kind.USD),
        Measure("recoverable_amount_usd", "Amount that well-timed retries are expected to recover", Kind.USD),
    ),
    ratios=(Ratio("share_of_declines", "Among the declines of all rows", "declines", "declines", of_all_groups=True),),
    main_dimension="decline_reason",
    main_measure="declines",
)

REPORTS = (SOLUTIONS, GEOGRAPHY, MERCHANTS, THREE_DS, FINANCIAL, RISK, RETRY, SYSTEM)
"""Those with an endpoint of their own; DECLINES shares one with the decline reasons of a window."""
