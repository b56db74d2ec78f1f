#!/usr/bin/env bash
# Measures what reloads of a model cost its callers: the 99th percentile of calls with and without reloads going on, in turns in one
# run, and the CPU time of a reload.
#
#   perf/reloads.sh [--seconds 6] [--rounds 4] [--rate 1]     # RATE reloads a second
#
# SERVER_CPU and CLIENT_CPU choose the cores (0 and 1).
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=6 rounds=4 rate=1
while (($# > 0)); do
  case $1 in
    --seconds) seconds=$2 ;;
    --rounds) rounds=$2 ;;
    --rate) rate=$2 ;;
    *) die "unknown argument '$1'" "usage: perf/reloads.sh [--seconds 6] [--rounds 4] [--rate 1]" ;;
  esac
  shift 2
done
work=$work/reloads

# One connection and no process per reload: the clients' core is the load generator's too.
reload() { taskset -c "$client_cpu" "$debian_python" "$root/perf/reload_model.py" "$http_port" m "$rate" "$1"; }

measure() { # prints the 99th percentile, µs
  taskset -c "$client_cpu" "$reference/grpc_load" --address "127.0.0.1:$grpc_port" --model m --input INPUT0:INT32:1,16 \
    --input INPUT1:INT32:1,16 --in-flight 4 --seconds "$seconds" --warmup 1 |
    "$debian_python" -c 'import json, sys; report = json.load(sys.stdin); assert not report["errors"], report; print(report["p99_us"])'
}

prepare_clients
"$root/scripts/build.sh"
rm -rf "$work"
mkdir -p "$work/models/m/1"
cp "$root/tests/assets/golden/onnx/add_sub_int32/model.onnx" "$work/models/m/1/model.onnx"
echo 'backend: "onnxruntime" max_batch_size: 8' >"$work/models/m/config.pbtxt"
read -r http_port grpc_port < <(free_ports 2)
start_server Sluice "$work/server.log" "$root/sluice" serve --model-repository "$work/models" --http-port "$http_port" --grpc-port "$grpc_port" \
  --allow-metrics false --control-plane false --model-control-mode explicit --load-model m
until_true 'it is ready' http_ok "$http_port" /v2/health/ready
"$debian_python" "$root/perf/reload_model.py" "$http_port" m 1000 5 >/dev/null # Until its code is compiled.
measure >/dev/null
for ((round = 0; round < rounds; round++)); do
  steady=$(measure)
  reload "$((seconds + 2))" >"$work/reloads.json" &
  changed=$(measure)
  wait $!
  echo "p99 $steady µs, with reloads $changed µs; $(<"$work/reloads.json")"
done
before=$(server_cpu_us)
count=$(reload 5 | sed -n 's/^\([0-9]*\) reloads.*/\1/p')
echo "CPU time of a reload: $((($(server_cpu_us) - before) / count)) µs"
