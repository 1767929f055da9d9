"""The embedded door: the whole platform as local processes, for the demo, the tests and the benchmarks."""
