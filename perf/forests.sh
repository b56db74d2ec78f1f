#!/usr/bin/env bash
# Measures our forest engine beside the C library of XGBoost 1.7.4, one thread each, in one process on one core:
# a single row, and a batch of 4,096 rows, for forests of 100 x depth 6, 500 x 6 and 1,000 x 8. The results have to be equal.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

cpu=${SERVER_CPU:-0}
forests=$root/artifacts/perf/forests
need_command taskset "It is in Debian's package util-linux."
"$root/scripts/install-test.sh" --models
"$root/perf/make_forests.py" "$forests"
dotnet build "$root/perf/Sluice.Benchmarks" -c Release -v q >/dev/null
taskset -c "$cpu" dotnet "$root/artifacts/bin/Sluice.Benchmarks/release/Sluice.Benchmarks.dll" --forest \
  "$forests/100x6.ubj" "$forests/500x6.ubj" "$forests/1000x8.ubj"
