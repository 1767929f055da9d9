#!/bin/sh
# Builds the batch layer every DBT_EVERY_SECONDS, and sooner after a failure. The time of the last success is that of
# DBT_BUILT_FILE, by which the health check sees a build that fails again and again.
set -u

while :; do
  if dbt build; then
    touch "$DBT_BUILT_FILE"
    sleep "$DBT_EVERY_SECONDS"
  else
    echo "dbt build failed; again in 15 s" >&2
    sleep 15
  fi
done
