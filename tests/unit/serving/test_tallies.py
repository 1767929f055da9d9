"""What is counted in lists comes out as Prometheus would have counted it."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from serving.tallies import Tallies

TIMES = (0.0, 0.001, 0.0011, 0.5, 9.0)


def test_a_scrape_shows_what_the_clients_own_metrics_would() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tallies = Tallies(("seen", "Things seen."), ("seen_seconds", "Time."), ("kind", "status"), (0.001, 1.0))
    ours.register(tallies)
    counter = Counter("seen", "Things seen.", ("kind", "status"), registry=theirs)
    histogram = Histogram("seen_seconds", "Time.", ("kind", "status"), buckets=(0.001, 1.0), registry=theirs)
    for seconds in TIMES:
        for labels in (("a", 200), ("b", 404)):
            tallies.add(labels, seconds)
            counter.labels(*labels).inc()
            histogram.labels(*labels).observe(seconds)
    lines = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert sorted(generate_latest(ours).decode().splitlines()) == sorted(lines)
