"""How right the text analysis is, per language, on messages that the simulator wrote and knows the truth of.

`python -m benchmarks.text`. The sentiment lexicon is compared with a model of character n-grams that is trained on the
simulator's sentences and judged on sentences it has not seen; both also on sentences that nobody made for either.
"""

import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.report import Reference, Result, destination, load_average, table, write
from ml.text.analysis import Analysis, analyse
from ml.text.entities import Gazetteer
from ml.text.sentiment import judge
from producer.labels import labelled
from producer.world import World
from producer.writing import VALUES, sentences

FULL_COUNT = 16_000
SHORT_CHARACTERS = 45
KINDS = ("amount", "merchant", "reference", "card", "email", "phone")
UNSEEN = Path(__file__).with_name("unseen_texts.toml")

Pairs = list[tuple[str, str]]
"""What is so, and what was said."""


@dataclass
class Tally:
    """What was found in the texts of one language."""

    languages: Pairs = field(default_factory=list)
    short: Pairs = field(default_factory=list)
    sentiments: Pairs = field(default_factory=list)
    styles: dict[str, Pairs] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Hits:
    """Entities of one kind."""

    right: int = 0
    found: int = 0
    true: int = 0


def main(
    count: Annotated[int, typer.Option(min=100, help="Labelled messages.")] = FULL_COUNT,
    seed: Annotated[int, typer.Option(help="Of the simulator.")] = 20_261,
) -> None:
    """Measure the analysis and write benchmarks/results/text.{json,md}."""
    load = {"before": load_average()}
    names = Gazetteer(merchant.name for merchant in World(seed, 1000, 400).merchants)
    analyse("Loads the language models before the clock runs.")
    tallies: dict[str, Tally] = defaultdict(Tally)
    hits = {kind: Hits() for kind in KINDS}
    leaked, seconds = 0, 0.0
    for number, label in enumerate(labelled(count, seed), start=1):
        message, truth = label["message"], label["truth"]
        began = time.process_time()
        found = analyse(message["text"], message["language"], names)
        seconds += time.process_time() - began
        _note(tallies[truth["language"]], message["text"], truth, found)
        leaked += _note_entities(hits, truth, found)
        if number % 2000 == 0:
            typer.echo(f"{number:,} of {count:,} messages", err=True)
    rivals = compare_sentiment()
    load["after"] = load_average()
    result = _result(count, seed, tallies, hits, leaked, count / seconds, rivals, load)
    readable = write(result, _text(result), destination(count >= FULL_COUNT))
    typer.echo(readable.read_text())


def compare_sentiment() -> dict[str, dict[str, float]]:
    """Accuracy and macro F1 of lexicon and trained model: by sentence held out, and on the unseen sentences."""
    unseen = tomllib.loads(UNSEEN.read_text(encoding="utf-8"))
    pairs: dict[str, Pairs] = defaultdict(list)
    for language in sentences():
        known = _templates(language)
        strange = [(text, mood) for mood, texts in unseen[language].items() for text in texts]
        lexicon = _lexicon(language)
        for name, examples, judged in (
            ("lexicon, simulator's sentences", known, lexicon([text for text, _ in known])),
            ("model, simulator's sentences held out", known, _held_out(known, language)),
            ("lexicon, unseen sentences", strange, lexicon([text for text, _ in strange])),
            ("model, unseen sentences", strange, _train(known, language)([text for text, _ in strange])),
        ):
            pairs[name] += zip((mood for _, mood in examples), judged, strict=True)
        pairs["always negative, unseen sentences"] += [(mood, "negative") for _, mood in strange]
    return {
        name: {"accuracy": accuracy(found), "macro_f1": macro_f1(found), "opposite": opposite(found)}
        for name, found in pairs.items()
    }


def accuracy(pairs: Pairs) -> float:
    """Share of right answers."""
    return round(sum(true == said for true, said in pairs) / max(len(pairs), 1), 4)


def macro_f1(pairs: Pairs) -> float:
    """Mean over the sentiments of the harmonic mean of precision and recall."""
    scores = []
    for label in VALUES:
        right = sum(true == said == label for true, said in pairs)
        named = sum(said == label for _, said in pairs) + sum(true == label for true, _ in pairs)
        scores.append(2 * right / named if named else 1.0)
    return round(sum(scores) / len(scores), 4)


def opposite(pairs: Pairs) -> float:
    """Share of the answers that say the opposite of what is so."""
    return round(sum({true, said} == {"positive", "negative"} for true, said in pairs) / max(len(pairs), 1), 4)


def _note(tally: Tally, text: str, truth: dict[str, Any], found: Analysis) -> None:
    said = found.language or "unknown"
    tally.languages.append((truth["language"], said))
    if len(text) <= SHORT_CHARACTERS:
        tally.short.append((truth["language"], said))
    tally.sentiments.append((truth["sentiment"], found.sentiment.label))
    tally.styles[truth["style"]].append((truth["sentiment"], found.sentiment.label))


def _note_entities(hits: dict[str, Hits], truth: dict[str, Any], found: Analysis) -> int:
    """Count entities; returns how many values that must be masked are still in the text."""
    true: dict[str, set[object]] = {
        "amount": {(float(value), currency) for value, currency in truth["amounts"]},
        "merchant": set(truth["merchants"]),
        "reference": set(truth["references"]),
        "card": {f"****{value[-4:]}" for value in truth["cards"]},
        "email": {f"{value[0]}***@{value.partition('@')[2]}" for value in truth["emails"]},
        "phone": {f"***{value[-2:]}" for value in truth["phones"]},
    }
    for kind, count in hits.items():
        named = [entity for entity in found.entities if entity.kind == kind]
        values = {(float(one.value), one.currency) if kind == "amount" else one.value for one in named}
        count.right += len(values & true[kind])
        count.found += len(values)
        count.true += len(true[kind])
    stored = " ".join([found.text, *(one.value for one in found.entities), found.summary.text if found.summary else ""])
    return sum(value in stored for kind in ("cards", "emails", "phones") for value in truth[kind])


def _templates(language: str) -> Pairs:
    """The simulator's sentences without their facts, and the sentiment of each."""
    empty = dict.fromkeys(("merchant", "amount", "id", "date"), "")
    stock = sentences()[language].values()
    return [
        (text.format(**empty), mood)
        for moods in stock
        for mood, topics in moods.items()
        for texts in topics.values()
        for text in texts
    ]


def _lexicon(language: str) -> Callable[[Sequence[str]], list[str]]:
    return lambda texts: [judge(text, language).label for text in texts]


def _train(examples: Pairs, language: str) -> Callable[[Sequence[str]], list[str]]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    grams = TfidfVectorizer(analyzer="char" if language == "ja" else "char_wb", ngram_range=(2, 5), sublinear_tf=True)
    model = make_pipeline(grams, LogisticRegression(C=20, class_weight="balanced", max_iter=500))
    model.fit([text for text, _ in examples], [mood for _, mood in examples])
    return lambda texts: [str(label) for label in model.predict(list(texts))]


def _held_out(examples: Pairs, language: str) -> list[str]:
    """What the model says of each sentence when that one and some others were kept from it."""
    folds = 10
    judged = [""] * len(examples)
    for fold in range(folds):
        model = _train([example for at, example in enumerate(examples) if at % folds != fold], language)
        kept = range(fold, len(examples), folds)
        for at, label in zip(kept, model([examples[at][0] for at in kept]), strict=True):
            judged[at] = label
    return judged


def _result(
    count: int,
    seed: int,
    tallies: dict[str, Tally],
    hits: dict[str, Hits],
    leaked: int,
    texts_per_second: float,
    rivals: dict[str, dict[str, float]],
    load: dict[str, float],
) -> Result:
    languages = {
        language: {
            "messages": len(tally.languages),
            "language_accuracy": accuracy(tally.languages),
            "short_messages": len(tally.short),
            "language_accuracy_short": accuracy(tally.short),
            "sentiment_accuracy": accuracy(tally.sentiments),
            "sentiment_macro_f1": macro_f1(tally.sentiments),
        }
        for language, tally in sorted(tallies.items())
    }
    styles: dict[str, Pairs] = defaultdict(list)
    for tally in tallies.values():
        for style, pairs in tally.styles.items():
            styles[style] += pairs
    lexicon, model = rivals["lexicon, unseen sentences"], rivals["model, unseen sentences"]
    return Result(
        name="text",
        settings={"count": count, "seed": seed},
        metrics={
            "languages": languages,
            "sentiment_accuracy_by_style": {style: accuracy(pairs) for style, pairs in sorted(styles.items())},
            "entities": {
                kind: {
                    "true": count.true,
                    "precision": round(count.right / max(count.found, 1), 4),
                    "recall": round(count.right / max(count.true, 1), 4),
                }
                for kind, count in hits.items()
            },
            "unmasked_values": leaked,
            "sentiment_methods": rivals,
            "texts_per_cpu_second": round(texts_per_second, 1),
        },
        reference=Reference("a model of character n-grams trained on the simulator's sentences, on unseen ones", model),
        ratio={name: round(lexicon[name] / model[name], 3) for name in ("accuracy", "macro_f1")},
        load_average=load,
    )


def _text(result: Result) -> list[str]:
    metrics = result.metrics
    by_language: Iterable[tuple[str, dict[str, Any]]] = metrics["languages"].items()
    return [
        "# Text analysis of customers' messages",
        "",
        "On messages that the simulator wrote: names, amounts and the order of sentences are new, the sentences are",
        "those that the lexicon's author knew. The sentiment figures of this table are therefore an upper bound.",
        "",
        *table(
            ("language", "messages", "language right %", f"<= {SHORT_CHARACTERS} chars %", "sentiment right %", "F1 %"),
            [(name, one["messages"], *(100 * one[key] for key in _COLUMNS)) for name, one in by_language],
        ),
        "",
        "## Entities",
        "",
        *table(
            ("kind", "true", "precision %", "recall %"),
            [
                (kind, one["true"], 100 * one["precision"], 100 * one["recall"])
                for kind, one in metrics["entities"].items()
            ],
        ),
        "",
        f"Values that must be masked and were stored all the same: {metrics['unmasked_values']}.",
        "",
        "## Sentiment by style of writing",
        "",
        *table(("style", "right %"), [(s, 100 * share) for s, share in metrics["sentiment_accuracy_by_style"].items()]),
        "",
        "## Lexicon or trained model",
        "",
        "Single sentences. The unseen ones (benchmarks/unseen_texts.toml) were made after the lexicon and avoid words",
        "that judge by themselves. Opposite: positive for negative or the other way round, the error that hurts.",
        "",
        *table(
            ("method, sentences", "right %", "macro F1 %", "opposite %"),
            [
                (name, *(100 * share for share in shares.values()))
                for name, shares in metrics["sentiment_methods"].items()
            ],
        ),
        "",
        f"{metrics['texts_per_cpu_second']:,.0f} texts per second of one core, without the LLM.",
    ]


_COLUMNS = ("language_accuracy", "language_accuracy_short", "sentiment_accuracy", "sentiment_macro_f1")

if __name__ == "__main__":
    typer.run(main)
