"""Everything about one text at once. A pure function: nothing is read or fetched, and nothing is remembered."""

from dataclasses import dataclass

from ml.text.entities import Entity, Gazetteer, extract
from ml.text.language import detect
from ml.text.phrases import key_phrases
from ml.text.sentiment import Sentiment, judge
from ml.text.summary import LONG_FROM_CHARACTERS, Summary, extractive

NO_NAMES = Gazetteer()


@dataclass(frozen=True)
class Analysis:
    """What a text says. `text` is the masked one, and everything else was made from that."""

    text: str
    language: str | None
    language_confidence: float
    sentiment: Sentiment
    entities: tuple[Entity, ...]
    key_phrases: tuple[str, ...]
    summary: Summary | None
    """Of texts over 1,000 characters."""


def analyse(text: str, claimed: str | None = None, gazetteer: Gazetteer = NO_NAMES) -> Analysis:
    """Analyse a text; the language its writer's client claims counts where none can be told from the text."""
    extracted = extract(text, gazetteer)
    bare = _without_names(extracted.text, extracted.entities)
    language, confidence = detect(bare)
    spoken = language or claimed
    if language in ("en", "de", "fr", "es", "pt", "uk"):
        extracted = extract(text, gazetteer, language)
    is_long = len(text) > LONG_FROM_CHARACTERS
    return Analysis(
        text=extracted.text,
        language=language,
        language_confidence=confidence,
        sentiment=judge(bare, spoken),
        entities=extracted.entities,
        key_phrases=tuple(key_phrases(bare, spoken)),
        summary=extractive(extracted.text, spoken) if is_long else None,
    )


def _without_names(text: str, entities: tuple[Entity, ...]) -> str:
    """The text without what is in no language: names of shops and masked values."""
    for entity in entities:
        if entity.kind not in ("amount", "date"):
            text = text.replace(entity.value, " ")
    return text
