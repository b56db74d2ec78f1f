#!/usr/bin/env bash
# Lets clients do for a long time what they do in a day, and watches the server's memory: the median of its resident size in the last
# quarter may be at most 5 % above that in the second, and at the end no connection and no buffer may be left. Idle buffers of the pool are
# not counted: they are as many as the last half minute wanted, which no two have in common.
#
#   perf/soak.sh [--minutes 60]
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

minutes=60
while (($# > 0)); do
  case $1 in
    --minutes) minutes=$2 ;;
    *) die "unknown argument '$1'" "usage: perf/soak.sh [--minutes 60]" ;;
  esac
  shift 2
done
work=$work/soak

resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }
median() { printf '%s\n' "$@" | sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }
open_files() { find "/proc/$server/fd" -mindepth 1 | wc -l; }
metric() { http_get "http://127.0.0.1:$metrics_port/metrics" | awk -v name="$1" 'index($1, name "{") == 1 || $1 == name { sum += $2 } END { print sum + 0 }'; }
http_get() { "$debian_python" -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())' "$1"; }
is_idle() { # of connections the scrape's own is open
  (($(metric sluice_connections_open) == 1 && $(metric sluice_tensor_pool_rented_bytes) == rented))
}
change() { # load or unload
  for model in add_sub identity; do
    "$debian_python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], b"{}").read()' \
      "http://127.0.0.1:$http_port/v2/repository/models/$model/$1"
  done
}

prepare_clients
"$root/scripts/build.sh"
rm -rf "$work"
mkdir -p "$work/models/add_sub/1" "$work/models/identity/1"
cp "$root/tests/assets/golden/onnx/add_sub_int32/model.onnx" "$work/models/add_sub/1/model.onnx"
echo 'backend: "onnxruntime" max_batch_size: 8 dynamic_batching { }' >"$work/models/add_sub/config.pbtxt"
cat >"$work/models/identity/config.pbtxt" <<'END'
backend: "identity"
max_batch_size: 8
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
END
read -r http_port grpc_port metrics_port < <(free_ports 3)
start_server Sluice "$work/server.log" "$root/sluice" serve --model-repository "$work/models" --http-port "$http_port" --grpc-port "$grpc_port" \
  --metrics-port "$metrics_port" --control-plane false --model-control-mode explicit --log-info false
until_true 'it is ready' http_ok "$http_port" /v2/health/ready
rented=$(metric sluice_tensor_pool_rented_bytes)
change load
seconds=$((minutes * 60))
"$debian_python" "$root/perf/soak_clients.py" "$grpc_port" "$http_port" "$seconds" >"$work/clients.json" &
clients=$!
files=$(open_files) second_quarter=() last_quarter=()
for ((start = SECONDS; SECONDS - start < seconds; )); do
  sleep $((seconds < 600 ? 5 : 30))
  kill -0 "$clients" 2>/dev/null || break
  idle=$(($(metric sluice_tensor_pool_pooled_bytes) / 1024))
  now=$(($(resident_kb) - idle))
  echo "$((SECONDS - start)) s: $((now / 1024)) MiB resident and $((idle / 1024)) in idle buffers," \
    "$(metric sluice_connections_open) connections, $(metric sluice_tensor_pool_rented_bytes) bytes rented"
  case $(((SECONDS - start) * 4 / seconds)) in
    1) second_quarter+=("$now") ;;
    3) last_quarter+=("$now") ;;
  esac
done
wait "$clients" || die "a client had a wrong answer: $(<"$work/clients.json")" "The server's output: $server_log"
cat "$work/clients.json"
change unload
until_true 'all connections and buffers are given back' is_idle
((${#second_quarter[@]} > 0 && ${#last_quarter[@]} > 0)) || die "the time was too short to say anything of memory."
early=$(median "${second_quarter[@]}") late=$(median "${last_quarter[@]}")
echo "resident without idle buffers: $((early / 1024)) MiB in the second quarter, $((late / 1024)) MiB in the last (medians); open files: $files before, $(open_files) after;" \
  "no connection and no buffer is left"
((late * 100 <= early * 105)) || die "the server's memory grows."
