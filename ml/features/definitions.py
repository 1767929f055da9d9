"""The five requests. What a model is asked with stands here and nowhere else."""

from ml.features import derived
from ml.features.definition import Category, Definition, Number, Rate
from ml.features.fields import Field

_AMOUNT = Field("amount", "number", "Amount in units of the currency", is_required=True, minimum=0.0)
_CURRENCY = Field("currency", "category", "ISO 4217 code of the amount")
_AT = Field("event_timestamp", "instant", "When it happens")
_SEGMENT = Field("merchant_segment", "category", "Segment of the merchant, such as Retail")
_MERCHANT_COUNTRY = Field("merchant_country", "category", "Country of the merchant, ISO 3166-1 alpha-2")
_ISSUER_COUNTRY = Field("issuer_country", "category", "Country of the card's issuer, ISO 3166-1 alpha-2")
_ISSUER = Field("issuer", "category", "Name of the card's issuer")
_NETWORK = Field("card_network", "category", "Network of the card, such as Visa")
_BIN = Field("card_bin", "category", "First six to eight digits of the card")
_FRAUD_SCORE = Field("fraud_score", "number", "Risk score that came with the payment, 0..1", minimum=0.0, maximum=1.0)
_AML_SCORE = Field(
    "aml_risk_score", "number", "Money-laundering score that came with the payment, 0..1", minimum=0.0, maximum=1.0
)
_TRUST = Field("device_trust_score", "number", "Trust in the device, 0..1", minimum=0.0, maximum=1.0)
_VELOCITY = Field(
    "velocity_score", "number", "How many attempts the customer made of late, 0..1", minimum=0.0, maximum=1.0
)
_USES_3DS = Field("uses_3ds", "boolean", "Whether 3-D Secure was asked for")
_3DS_OUTCOME = Field("three_ds_outcome", "category", "frictionless, challenge_passed or challenge_failed")
_TOKEN = Field("is_network_token", "boolean", "Whether a network token stands in for the card number")
_PROCESSOR = Field("processor", "category", "Processor that the attempt goes to")
_SOLUTION = Field("payment_solution", "category", "standard, 3ds or network_token")

_ABROAD = Number("is_cross_border", ("merchant_country", "issuer_country"), derived.differs)
_LOG_USD = Number("log_amount_usd", ("amount", "currency"), derived.log_usd)
_RISK_NUMBERS = (
    Number("fraud_score", ("fraud_score",), derived.same),
    Number("device_trust_score", ("device_trust_score",), derived.same),
    Number("velocity_score", ("velocity_score",), derived.same),
)


def _count(name: str, meaning: str) -> Field:
    return Field(name, "number", meaning, minimum=0.0)


def _itself(name: str) -> Category:
    return Category(name, (name,), derived.text)


FRAUD = Definition(
    model="fraud_detection_model",
    fields=(
        Field("amount", "number", "Amount in units of the shop's currency", is_required=True, minimum=0.0),
        Field("payment_method", "category", "How is paid, such as credit_card"),
        Field("country", "category", "Country that the customer is in, by name"),
        _AT,
        _count("user_transactions", "Purchases of the customer before this one"),
        _count("user_amount_cents", "Sum of their amounts, in hundredths of the shops' currencies"),
        _count("user_seconds_since_last", "Seconds since the newest of them; null for a first purchase"),
        _count("user_transactions_30m", "Purchases of the customer in the half hour before"),
        _count("user_devices", "Devices that the customer used before"),
        Field("is_new_device", "boolean", "Whether the customer never used this device before"),
        _count("device_transactions", "Purchases on the device before"),
        _count("device_users", "Customers that used the device before"),
        _count("merchant_transactions", "Purchases at the merchant before"),
        _count("merchant_amount_cents", "Sum of their amounts, in hundredths of the shop's currency"),
        _ISSUER_COUNTRY,
    ),
    numbers=(
        Number(
            "amount_to_merchants_mean", ("amount", "merchant_amount_cents", "merchant_transactions"), derived.to_mean
        ),
        Number("amount_to_customers_mean", ("amount", "user_amount_cents", "user_transactions"), derived.to_mean),
        Number("log_amount", ("amount",), derived.log, may_be_missing=False),
        Number("user_seconds_since_last", ("user_seconds_since_last",), derived.log),
        Number("user_transactions_30m", ("user_transactions_30m",), derived.same),
        Number("is_new_device", ("is_new_device",), derived.flag),
        Number("customers_per_purchase_on_device", ("device_users", "device_transactions"), derived.ratio),
        Number("devices_per_purchase_of_customer", ("user_devices", "user_transactions"), derived.ratio),
        # Counts grow with the age of the platform, so that a model would learn its age; beside the shop's they do not.
        Number("device_users_to_shops_purchases", ("device_users", "merchant_transactions"), derived.ratio),
        Number("customers_to_shops_purchases", ("user_transactions", "merchant_transactions"), derived.ratio),
        Number("is_away_from_issuer", ("country", "issuer_country"), derived.is_abroad),
        Number("event_hour", ("event_timestamp",), derived.hour),
    ),
    categories=(_itself("payment_method"), _itself("country")),
    slices=("merchant_segment", "country", "card_network"),
)

APPROVAL = Definition(
    model="approval_propensity_model",
    fields=(
        _AMOUNT, _CURRENCY, _AT, _SEGMENT, _MERCHANT_COUNTRY, _ISSUER_COUNTRY, _ISSUER, _NETWORK, _BIN, _SOLUTION,
        _PROCESSOR, _USES_3DS, _3DS_OUTCOME, _TOKEN, _FRAUD_SCORE, _AML_SCORE, _TRUST, _VELOCITY,
        Field("attempt_number", "number", "1 for the first attempt of a purchase", minimum=1.0),
        Field("previous_decline_reason", "category", "On a retry: why the attempt before was declined"),
        _count("minutes_since_decline", "On a retry: minutes since that decline"),
    ),
    numbers=(
        _LOG_USD,
        *_RISK_NUMBERS,
        Number("aml_risk_score", ("aml_risk_score",), derived.same),
        Number("uses_3ds", ("uses_3ds",), derived.flag),
        Number("is_network_token", ("is_network_token",), derived.flag),
        _ABROAD,
        Number("attempt_number", ("attempt_number",), derived.same),
        Number("minutes_since_decline", ("minutes_since_decline",), derived.log),
        Number("event_hour", ("event_timestamp",), derived.hour),
    ),
    categories=(
        _itself("merchant_segment"), _itself("issuer"), _itself("card_network"), _itself("payment_solution"),
        _itself("processor"), _itself("three_ds_outcome"), _itself("previous_decline_reason"),
    ),
    rates=(
        Rate("card_bin", ("card_bin",), derived.text),
        Rate("issuer_by_hour", ("issuer", "event_timestamp"), derived.pair_with_hour),
        Rate("reason_by_wait", ("previous_decline_reason", "minutes_since_decline"), derived.pair_with_wait),
        Rate("issuer_by_amount", ("issuer", "amount", "currency"), derived.pair_with_amount),
        Rate("processor_by_network", ("processor", "card_network"), derived.pair),
        Rate("processor_by_issuer_country", ("processor", "issuer_country"), derived.pair),
        Rate("processor_by_segment", ("processor", "merchant_segment"), derived.pair),
    ),
    slices=("merchant_segment", "issuer_country", "card_network", "processor"),
)  # fmt: skip

RISK = Definition(
    model="risk_scoring_model",
    fields=(
        _AMOUNT,
        _CURRENCY,
        _FRAUD_SCORE,
        _TRUST,
        _VELOCITY,
        _MERCHANT_COUNTRY,
        _ISSUER_COUNTRY,
        _SEGMENT,
        _NETWORK,
    ),
    numbers=(_LOG_USD, *_RISK_NUMBERS, _ABROAD),
    categories=(_itself("issuer_country"), _itself("merchant_segment")),
    slices=("merchant_segment", "issuer_country", "card_network"),
)  # fmt: skip

ROUTING = Definition(
    model="smart_routing_policy",
    fields=(_AMOUNT, _CURRENCY, _AT, _SEGMENT, _MERCHANT_COUNTRY, _ISSUER_COUNTRY, _NETWORK, _FRAUD_SCORE, _PROCESSOR),
    numbers=(_LOG_USD, _ABROAD, Number("fraud_score", ("fraud_score",), derived.same)),
    categories=(
        _itself("processor"),
        _itself("issuer_country"),
        _itself("merchant_segment"),
        Category("fraud_score_band", ("fraud_score",), derived.score_band),
        Category("processor_by_network", ("processor", "card_network"), derived.pair),
        Category("processor_by_issuer_country", ("processor", "issuer_country"), derived.pair),
        Category("processor_by_segment", ("processor", "merchant_segment"), derived.pair),
        Category("processor_by_amount", ("processor", "amount", "currency"), derived.pair_with_amount),
        Category("processor_by_quarter", ("processor", "event_timestamp"), derived.pair_with_quarter),
    ),
    slices=("merchant_segment", "issuer_country", "card_network"),
)

RETRY = Definition(
    model="smart_retry_policy",
    fields=(
        _AMOUNT, _CURRENCY, _SEGMENT, _MERCHANT_COUNTRY, _ISSUER_COUNTRY, _NETWORK, _BIN, _FRAUD_SCORE, _USES_3DS,
        Field("decline_reason", "category", "Why the attempt was declined", is_required=True),
        Field("previous_attempts", "number", "Attempts of the purchase so far", minimum=1.0),
        _count("minutes_since_decline", "The wait: minutes from the decline to the retry"),
    ),
    numbers=(
        _LOG_USD,
        Number("fraud_score", ("fraud_score",), derived.same),
        Number("uses_3ds", ("uses_3ds",), derived.flag),
        Number("previous_attempts", ("previous_attempts",), derived.same),
        Number("minutes_since_decline", ("minutes_since_decline",), derived.log),
        _ABROAD,
    ),
    categories=(
        _itself("decline_reason"), _itself("merchant_segment"), _itself("card_network"),
        Category("reason_by_wait", ("decline_reason", "minutes_since_decline"), derived.pair_with_wait),
    ),
    rates=(Rate("card_bin", ("card_bin",), derived.text),),
    slices=("decline_reason", "merchant_segment", "card_network"),
)  # fmt: skip

DEFINITIONS = {one.model: one for one in (FRAUD, APPROVAL, RISK, ROUTING, RETRY)}
"""The five by the name under which they are registered."""
