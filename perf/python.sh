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
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

seconds=5
[[ ${1:-} != --seconds ]] || seconds=$2
server_cpu=${SERVER_CPU:-0}
client_cpu=${CLIENT_CPU:-1}
work=$root/artifacts/perf
models=$work/python_models
load=$root/build/perf/reference/grpc_load
server=''

stop_server() {
  [[ -n $server ]] || return 0
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" || true
  server=
}
trap stop_server EXIT
trap 'exit 130' INT TERM

# free_ports COUNT
free_ports() {
  "$debian_python" -c 'import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

wait_for() { # wait_for PORT PATH
  local deadline=$((SECONDS + 60))
  until http_ok "$1" "$2"; do
    kill -0 "$server" 2>/dev/null || die "the server ended before it was ready." "Its output: $work/python.log"
    ((SECONDS < deadline)) || die "gave up waiting for the server." "Its output: $work/python.log"
    sleep 0.1
  done
}

# User and system time of the server and of the processes it has started, in µs.
cpu_us() {
  local id total=0
  for id in "$server" $(pgrep -P "$server" || true); do
    total=$((total + $(awk -v ticks="$(getconf CLK_TCK)" '{ printf "%d", ($14 + $15) * 1000000 / ticks }' "/proc/$id/stat")))
  done
  echo "$total"
}

grpc_case() { # grpc_case NAME IN_FLIGHT DIMS
  local report before after
  taskset -c "$client_cpu" "$load" --address "127.0.0.1:$grpc_port" --model noop --input "INPUT0:FP32:$3" --in-flight "$2" \
    --seconds 2 --warmup 0 >/dev/null
  before=$(cpu_us)
  report=$(taskset -c "$client_cpu" "$load" --address "127.0.0.1:$grpc_port" --model noop --input "INPUT0:FP32:$3" \
    --in-flight "$2" --seconds "$seconds" --warmup 0) || die "$1: $report"
  after=$(cpu_us)
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
  sed -n 's/^status codes: \([0-9]*\) 2xx, 0 3xx, 0 4xx, 0 5xx$/\1/p' <<<"$report" |
    awk -v s="$seconds" -v name="$1" '{ printf "%-28s %9.0f req/s\n", name, $1 / s; found = 1 } END { exit !found }' ||
    die "$1: $report"
}

# The time from the call to the model's readiness, the middle of nine.
load_case() {
  local i
  for ((i = 0; i < 9; i++)); do
    curl -sf -X POST "http://127.0.0.1:$http_port/v2/repository/models/noop/unload"
    curl -sf -w '%{time_total}\n' -X POST "http://127.0.0.1:$http_port/v2/repository/models/noop/load"
  done | sort -n | awk '{ seconds[NR] = $1 } END { printf "%-28s %9.0f ms\n", "no-op, load", seconds[5] * 1000 }'
}

need_command taskset "It is in Debian's package util-linux."
"$root/scripts/install-test.sh" --models
install_packages python3-fastapi python3-uvicorn
cmake -S "$root" -B "$root/build" >/dev/null
cmake --build "$root/build" --parallel >/dev/null
"$root/scripts/build.sh"
rm -rf "$models"
"$debian_python" "$root/perf/make_python_models.py" "$models" "$work/body.json"

read -r http_port grpc_port metrics_port other_port < <(free_ports 4)
taskset -c "$server_cpu" "$root/sluice" serve --model-repository "$models" --http-port "$http_port" --grpc-port "$grpc_port" \
  --metrics-port "$metrics_port" --control-plane false --model-control-mode explicit --load-model '*' >"$work/python.log" 2>&1 &
server=$!
wait_for "$http_port" /v2/health/ready
grpc_case 'no-op, 1 in flight' 1 1,16
grpc_case 'no-op, 64 in flight' 64 1,16
grpc_case 'no-op, 16 MiB' 1 1,4194304
load_case
http_case 'scikit-learn, Sluice' "$http_port" /v2/models/digits/infer
stop_server
(cd "$models/digits/1" && exec taskset -c "$server_cpu" "$debian_python" -m uvicorn --log-level warning --port "$other_port" \
  --app-dir "$root/perf" fastapi_server:app) >"$work/python.log" 2>&1 &
server=$!
wait_for "$other_port" /health
http_case 'scikit-learn, FastAPI' "$other_port" /predict
