"""Silver, the speed layer, dead letters and scores rebuilt from Bronze for event dates, while the stream runs.

Bronze is cut at a boundary of Kafka positions: what lies behind it is rebuilt, what lies beyond is left to the stream.
Every step first compares and then replaces what differs, so a run that was killed is simply run again.
"""
