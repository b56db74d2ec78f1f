#!/usr/bin/env bash
# Measures our forest engine beside the C library of XGBoost 1.7.4 and ONNX Runtime's tree operator, one thread each, in one process:
# a single row, and a batch of 4,096 rows, for forests of 100 x depth 6, 500 x 6 and 1,000 x 8; load time, the layout's memory and that of
# the whole model; the last column lets ours have two threads. The results have to be equal, bit for bit to XGBoost's.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

cpus=${FOREST_CPUS:-0,1}
forests=$root/artifacts/perf/forests
need_command taskset "It is in Debian's package util-linux."
"$root/scripts/install-test.sh" --models
"$root/perf/make_forests.py" "$forests"
dotnet build "$root/perf/Sluice.Benchmarks" -c Release -v q >/dev/null
taskset -c "$cpus" dotnet "$root/artifacts/bin/Sluice.Benchmarks/release/Sluice.Benchmarks.dll" --forest \
  "$forests/100x6.ubj" "$forests/500x6.ubj" "$forests/1000x8.ubj"
