#!/usr/bin/env bash
# Measures Python models: a model that does nothing, over gRPC, at 1 and 64 in flight and with 16 MiB, and its
# load, which is the start of its process; and a scikit-learn model over HTTP beside a plain FastAPI and uvicorn server of the
# same model. Server on one core, client on another, in turns.
#
#   perf/python.sh [--seconds 5]
#
# SERVER_CPU and CLIENT_CPU choose the cores (0 and 1); SERVER_CPU may be a list such as 0,1.
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=5
[[ ${1:-} != --seconds ]] || seconds=$2
models=$work/python_models

grpc_case() { # grpc_case NAME IN_FLIGHT DIMS
  local report before after
  taskset -c "$client_cpu" "$reference/grpc_load" --address "127.0.0.1:$grpc_port" --model noop --input "INPUT0:FP32:$3" --in-flight "$2" \
    --seconds 2 --warmup 0 >/dev/null
  before=$(server_cpu_us)
  report=$(taskset -c "$client_cpu" "$reference/grpc_load" --address "127.0.0.1:$grpc_port" --model noop --input "INPUT0:FP32:$3" \
    --in-flight "$2" --seconds "$seconds" --warmup 0) || die "$1: $report"
  after=$(server_cpu_us)
  "$debian_python" - "$report" "$1" $((after - before)) <<'END'
import json, sys
r = json.loads(sys.argv[1])
print("%-28s %9.0f req/s  p50 %8.0f us  p99 %8.0f us  CPU %8.1f us" % (
    sys.argv[2], r["rps"], r["p50_us"], r["p99_us"], int(sys.argv[3]) / r["requests"]))
END
}

http_case() { # http_case NAME PORT PATH: with h2load over HTTP/1.1, 16 connections
  local report
  timeout $((seconds + 20)) taskset -c "$client_cpu" h2load -t 1 -c 16 -D 2 --h1 -d "$work/body.json" \
    -H 'content-type: application/json' "http://127.0.0.1:$2$3" >/dev/null
  report=$(timeout $((seconds + 20)) taskset -c "$client_cpu" h2load -t 1 -c 16 -D "$seconds" --h1 -d "$work/body.json" \
    -H 'content-type: application/json' "http://127.0.0.1:$2$3")
  local count
  count=$(h2load_ended "$report")
  [[ -n $count ]] || die "$1: $report"
  awk -v n="$count" -v s="$seconds" -v name="$1" 'BEGIN { printf "%-28s %9.0f req/s\n", name, n / s }'
}

# The time from the call to the model's readiness, the middle of nine.
load_case() {
  local i
  for ((i = 0; i < 9; i++)); do
    curl -sf -X POST "http://127.0.0.1:$http_port/v2/repository/models/noop/unload"
    curl -sf -w '%{time_total}\n' -X POST "http://127.0.0.1:$http_port/v2/repository/models/noop/load"
  done | sort -n | awk '{ seconds[NR] = $1 } END { printf "%-28s %9.0f ms\n", "no-op, load", seconds[5] * 1000 }'
}

prepare_clients
install_packages python3-fastapi python3-uvicorn
"$root/scripts/build.sh"
rm -rf "$models"
"$debian_python" "$root/perf/make_python_models.py" "$models" "$work/body.json"

read -r http_port grpc_port metrics_port other_port < <(free_ports 4)
start_server Sluice "$work/python.log" "$root/sluice" serve --model-repository "$models" --http-port "$http_port" --grpc-port "$grpc_port" \
  --metrics-port "$metrics_port" --control-plane false --model-control-mode explicit --load-model '*'
until_true 'it is ready' http_ok "$http_port" /v2/health/ready
grpc_case 'no-op, 1 in flight' 1 1,16
grpc_case 'no-op, 64 in flight' 64 1,16
grpc_case 'no-op, 16 MiB' 1 1,4194304
load_case
http_case 'scikit-learn, Sluice' "$http_port" /v2/models/digits/infer
stop_server
start_server FastAPI "$work/python.log" env -C "$models/digits/1" "$debian_python" -m uvicorn --log-level warning --port "$other_port" \
  --app-dir "$root/perf" fastapi_server:app
until_true 'it is ready' http_ok "$other_port" /health
http_case 'scikit-learn, FastAPI' "$other_port" /predict
