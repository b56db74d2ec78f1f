#!/usr/bin/env bash
# Measures what endpoints' statistics cost: CPU per request with sampling off, on at frequency 1.0, and on with two variables, in turns
# in one run against one server, as ratios. The cheapest model that there is, so that the share is the largest that it can be.
#
#   perf/statistics.sh [--seconds 3] [--rounds 5]
#
# SERVER_CPU and CLIENT_CPU choose the cores (0 and 1).
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=3 rounds=5
while (($# > 0)); do
  case $1 in
    --seconds) seconds=$2 ;;
    --rounds) rounds=$2 ;;
    *) die "unknown argument '$1'" "usage: perf/statistics.sh [--seconds 3] [--rounds 5]" ;;
  esac
  shift 2
done
work=$work/statistics

control() { taskset -c "$client_cpu" "$root/sluice" --server "http://127.0.0.1:$grpc_port" --id "$service" "$@"; }

run_grpc() { # prints CPU µs per request
  local report before
  taskset -c "$client_cpu" "$reference/grpc_load" --address "127.0.0.1:$grpc_port" --model m --input INPUT0:INT32:1,16 --input INPUT1:INT32:1,16 \
    --in-flight 64 --seconds 1 --warmup 0 >/dev/null
  before=$(server_cpu_us)
  report=$(taskset -c "$client_cpu" "$reference/grpc_load" --address "127.0.0.1:$grpc_port" --model m --input INPUT0:INT32:1,16 \
    --input INPUT1:INT32:1,16 --in-flight 64 --seconds "$seconds" --warmup 0)
  "$debian_python" -c 'import json, sys; print(int(sys.argv[2]) / json.loads(sys.argv[1])["requests"])' "$report" $(($(server_cpu_us) - before))
}

run_serve() { # prints CPU µs per request
  local report before count
  timeout 20 taskset -c "$client_cpu" h2load -t 1 -c 16 -D 1 --h1 -d "$work/body.json" -H 'content-type: application/json' \
    "http://127.0.0.1:$serve_port/serve/m" >/dev/null
  before=$(server_cpu_us)
  report=$(timeout $((seconds + 20)) taskset -c "$client_cpu" h2load -t 1 -c 16 -D "$seconds" --h1 -d "$work/body.json" \
    -H 'content-type: application/json' "http://127.0.0.1:$serve_port/serve/m")
  count=$(h2load_ended "$report")
  [[ -n $count ]] || die "a request failed: $report"
  "$debian_python" -c 'import sys; print(int(sys.argv[1]) / int(sys.argv[2]))' $(($(server_cpu_us) - before)) "$count"
}

prepare_clients
"$root/scripts/build.sh"
rm -rf "$work"
mkdir -p "$work/models"
"$debian_python" -c 'print("{\"INPUT0\": %s, \"INPUT1\": %s}" % (list(range(16)), [1] * 16))' >"$work/body.json"
read -r http_port grpc_port serve_port < <(free_ports 3)
start_server Sluice "$work/server.log" "$root/sluice" serve --model-repository "$work/models" --http-port "$http_port" --grpc-port "$grpc_port" \
  --allow-metrics false --serve-port "$serve_port" --data-folder "$work/data"
until_true 'it is ready' http_ok "$http_port" /v2/health/ready
service=$("$root/sluice" --server "http://127.0.0.1:$grpc_port" create --name perf | sed -n 's/.*id=//p')
model=$(control model upload --name add_sub --project perf --path "$root/tests/assets/golden/onnx/add_sub_int32/model.onnx" |
  sed -n 's/.*new Model ID=//p')
control model add --engine triton --endpoint m --model-id "$model" >/dev/null
control endpoint status --wait 60 >/dev/null
results=$work/results.tsv
modes=(off on variables)
for ((round = 0; round < rounds; round++)); do
  # Each goes first in turn: what was measured before leaves its traces.
  for ((i = 0; i < 3; i++)); do
    mode=${modes[(round + i) % 3]}
    control config --metric-log-freq "$([[ $mode == off ]] && echo 0 || echo 1)" >/dev/null
    if [[ $mode == variables ]]; then
      control metrics add --endpoint m --variable-scalar INPUT0=3,7,11 OUTPUT0=3,7,11 >/dev/null
    else
      control metrics add --endpoint m --replace >/dev/null
    fi
    printf 'gRPC\t%s\t%s\n' "$mode" "$(run_grpc)" | tee -a "$results"
    printf '/serve\t%s\t%s\n' "$mode" "$(run_serve)" | tee -a "$results"
  done
done
"$debian_python" - "$results" <<'END'
import collections, statistics, sys
runs = collections.defaultdict(lambda: collections.defaultdict(list))
for line in open(sys.argv[1], encoding="utf-8"):
    front, mode, value = line.split("\t")
    runs[front][mode].append(float(value))
for front, modes in runs.items():
    # Each round is compared with itself, for the machine's pace drifts.
    for mode in ("on", "variables"):
        ratios = [value / off for value, off in zip(modes[mode], modes["off"])]
        print("%-8s %-10s off %7.2f us  %7.2f us  ratio %.3f" % (
            front, mode, statistics.median(modes["off"]), statistics.median(modes[mode]), statistics.median(ratios)))
END
