"""Which language a text is in, or that it cannot be told. Models come with the package; nothing is fetched."""

from functools import cache

from lingua import Language, LanguageDetector, LanguageDetectorBuilder

# The languages of the world's customers and those that are easily taken for them: each costs memory.
CANDIDATES = (
    Language.ENGLISH, Language.GERMAN, Language.FRENCH, Language.SPANISH, Language.PORTUGUESE, Language.JAPANESE,
    Language.VIETNAMESE, Language.UKRAINIAN, Language.ITALIAN, Language.DUTCH, Language.POLISH, Language.RUSSIAN,
    Language.ROMANIAN, Language.CHINESE,
)  # fmt: skip
LEAST_CONFIDENCE = 0.4
LEAST_LETTERS = 4
_ENOUGH_CHARACTERS = 600


def detect(text: str) -> tuple[str | None, float]:
    """ISO 639-1 code and confidence from 0 to 1; no code below LEAST_CONFIDENCE or for too few letters."""
    sample = text[:_ENOUGH_CHARACTERS].replace("_", " ")
    if sum(character.isalpha() for character in sample) < LEAST_LETTERS:
        return None, 0.0
    # Words in capitals are weighed as the names they look like.
    ranked = _detector().compute_language_confidence_values(sample.lower() if sample.isupper() else sample)
    code, confidence = ranked[0].language.iso_code_639_1.name.lower(), round(ranked[0].value, 3)
    return (code if confidence >= LEAST_CONFIDENCE else None), confidence


@cache
def _detector() -> LanguageDetector:
    return LanguageDetectorBuilder.from_languages(*CANDIDATES).build()
