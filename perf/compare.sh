#!/usr/bin/env bash
# Measures the server's CPU time per request beside a bare C++ gRPC echo server, in one run on one machine, and prints
# one table. Server on one core, client on another; the two servers take turns, round by round; figures are medians.
#
#   perf/compare.sh [--rounds 3] [--seconds 3] [--settle 8] [--only TEXT] [--servers "echo sluice bare"] [--before FOLDER]
#
# Of the models that take time, the bare ONNX Runtime call is measured in the same turns ("bare"): CPU time per row on the
# server's core, for a batch as large as the case can make.
#
# --settle is how long a fresh server is driven before it is measured: on one core the runtime compiles for some seconds.
#
# --before FOLDER, a checkout of an earlier commit in which scripts/build.sh has run, takes turns too: what a change costs.
#
# --only TEXT keeps the cases whose name holds TEXT. SERVER_CPU and CLIENT_CPU choose the cores (0 and 1).
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

add_sub='INPUT0:INT32:1,16 INPUT1:INT32:1,16'
picture='INPUT0:FP32:1,3,64,64'

# name | client | model | what the client is told | inputs
# Clients: grpc_load (closed loop, C++), h2load (prepared gRPC frame), http_json and http_binary (h2load over HTTP/1.1,
# only Sluice, always add_sub). The echo server answers any model's request with its inputs.
cases=(
  "add_sub, 1 in flight     | grpc_load   | add_sub  | --in-flight 1                | $add_sub"
  "add_sub, 16 in flight    | grpc_load   | add_sub  | --in-flight 16               | $add_sub"
  "add_sub, 64 in flight    | grpc_load   | add_sub  | --in-flight 64               | $add_sub"
  "add_sub, 4 x 16 streams  | h2load      | add_sub  | -c 4 -m 16                   | $add_sub"
  "add_sub, bidi, 32        | grpc_load   | add_sub  | --in-flight 32 --streams 1   | $add_sub"
  "MLP batched, 64          | grpc_load   | mlp      | --in-flight 64               | INPUT0:FP32:1,64"
  "MLP batched, 4 x 16      | h2load      | mlp      | -c 4 -m 16                   | INPUT0:FP32:1,64"
  "CNN, 1 in flight         | grpc_load   | cnn      | --in-flight 1                | $picture"
  "CNN, 4 in flight         | grpc_load   | cnn      | --in-flight 4                | $picture"
  "ResNet-50, 2 in flight   | grpc_load   | resnet50 | --in-flight 2                | INPUT0:FP32:1,3,224,224"
  "identity 64 KiB          | grpc_load   | identity | --in-flight 1                | INPUT0:FP32:1,16384"
  "identity 1 MiB           | grpc_load   | identity | --in-flight 1                | INPUT0:FP32:1,262144"
  "identity 16 MiB          | grpc_load   | identity | --in-flight 1                | INPUT0:FP32:1,4194304"
  "HTTP JSON, add_sub, 16   | http_json   | add_sub  | -c 16                        | -"
  "HTTP binary, add_sub, 16 | http_binary | add_sub  | -c 16                        | -"
)

# model | rows per bare call
bare_rows='mlp 64
cnn 1
resnet50 1'

rounds=3 seconds=3 settle=8 only='' servers='echo sluice bare' before=''
while (($# > 0)); do
  (($# > 1)) || die "$1 needs a value"
  case $1 in
    --rounds) rounds=$2 ;;
    --seconds) seconds=$2 ;;
    --settle) settle=$2 ;;
    --only) only=$2 ;;
    --servers) servers=$2 ;;
    --before) before=$2 ;;
    *) die "unknown argument '$1'" "The top of ${BASH_SOURCE[0]} lists them." ;;
  esac
  shift 2
done

[[ $rounds =~ ^[1-9][0-9]*$ && $seconds =~ ^[1-9][0-9]*$ && $settle =~ ^[0-9]+$ ]] ||
  die "--rounds, --seconds and --settle take whole numbers."

if [[ -n $before ]]; then
  [[ -x $before/sluice ]] || die "--before takes a checkout that is built; '$before/sluice' is no program."
  servers="$servers before"
fi

models=$work/models
results=$work/results.tsv
grpc_port='' http_port='' metrics_port=''

prepare() {
  prepare_clients
  rm -rf "$models"
  "$root/perf/make_models.py" "$models"
  [[ $servers != *sluice* ]] || "$root/scripts/build.sh"
  [[ $servers != *bare* ]] || dotnet build "$root/perf/Sluice.Benchmarks" -c Release -v q >/dev/null
  : >"$results"
}

read_echo_port() {
  grpc_port=$(sed -n 's/^listening on port //p' "$work/echo.log" 2>/dev/null)
  [[ -n $grpc_port ]]
}

start() {
  local log=$work/$1.log program=$root/sluice
  # What the last round wrote must not be read as this one's.
  : >"$log"
  case $1 in
    echo)
      start_server echo "$log" "$reference/echo_server" --address 127.0.0.1:0
      until_true 'it listens' read_echo_port
      ;;
    sluice | before)
      [[ $1 == sluice ]] || program=$before/sluice
      read -r http_port grpc_port metrics_port < <(free_ports 3)
      start_server "$1" "$log" "$program" serve --model-repository "$models" --http-port "$http_port" \
        --grpc-port "$grpc_port" --metrics-port "$metrics_port" --control-plane false
      until_true 'it is ready' http_ok "$http_port" /v2/health/ready
      ;;
    *) die "unknown server '$1'" ;;
  esac
}

# Drives a fresh server until it has compiled what it will need.
settle_server() {
  ((settle > 0)) || return 0
  local model
  for model in 'add_sub --input INPUT0:INT32:1,16 --input INPUT1:INT32:1,16' 'mlp --input INPUT0:FP32:1,64'; do
    # shellcheck disable=SC2086
    taskset -c "$client_cpu" "$reference/grpc_load" --address "127.0.0.1:$grpc_port" --model $model --in-flight 32 \
      --seconds "$settle" --warmup 0 >/dev/null || die "$server_name fails while it is warmed up."
  done
}

# Runs grpc_load and prints: CPU µs per request, requests per second, p50, p99.
run_grpc_load() {
  local report
  report=$(taskset -c "$client_cpu" "$reference/grpc_load" --address "127.0.0.1:$grpc_port" --model "$model" \
    "${inputs[@]}" "${told[@]}" --seconds "$seconds" --warmup 1 --server-pid "$server") ||
    die "$name against $server_name: $report"
  "$debian_python" -c 'import json, sys
r = json.loads(sys.argv[1])
print(r["cpu_us_per_request"], r["rps"], r["p50_us"], r["p99_us"], sep="\t")' "$report"
}

# h2load_for SECONDS ARGUMENT...: one run of h2load, which never ends by itself when a connection is refused.
h2load_for() {
  local duration=$1
  shift
  timeout $((duration + 20)) taskset -c "$client_cpu" h2load -t 1 "${told[@]}" -D "$duration" "$@" ||
    die "$name against $server_name: h2load gave up or did not end."
}

# run_h2load ARGUMENT...: the same with h2load, which tells no percentiles; before it measures it warms up.
run_h2load() {
  local report before after done_count
  h2load_for 1 "$@" >/dev/null
  before=$(server_cpu_us)
  report=$(h2load_for "$seconds" "$@")
  after=$(server_cpu_us)
  done_count=$(h2load_ended "$report")
  [[ -n $done_count ]] || die "$name against $server_name:" "$report"
  awk -v cpu=$((after - before)) -v n="$done_count" -v s="$seconds" 'BEGIN { printf "%.2f\t%.1f\t-\t-\n", cpu / n, n / s }'
}

run_grpc_h2load() {
  # A wrong request would be answered quickly too, and h2load does not read grpc-status.
  taskset -c "$client_cpu" "$reference/grpc_load" --address "127.0.0.1:$grpc_port" --model "$model" "${inputs[@]}" \
    --seconds 0.2 --warmup 0 >/dev/null || die "$name against $server_name: the request fails."
  "$reference/grpc_load" --model "$model" "${inputs[@]}" --write-frame "$work/frame"
  run_h2load -d "$work/frame" -H 'content-type: application/grpc' -H 'te: trailers' \
    "http://127.0.0.1:$grpc_port/inference.GRPCInferenceService/ModelInfer"
}

http_tensors() { # http_tensors EXTRA: the two inputs, each with EXTRA
  printf '{"name":"INPUT0","shape":[1,16],"datatype":"INT32",%s},' "$1"
  printf '{"name":"INPUT1","shape":[1,16],"datatype":"INT32",%s}' "$1"
}

# run_bare: CPU µs per row of the bare call; nothing for models that take none worth telling.
run_bare() {
  local rows
  rows=$(awk -v model="$model" '$1 == model { print $2 }' <<<"$bare_rows")
  [[ -n $rows ]] || return 0
  SLUICE_ONNXRUNTIME_LIBRARY=$root/artifacts/native/onnxruntime/libonnxruntime.so.1 taskset -c "$server_cpu" dotnet \
    "$root/artifacts/bin/Sluice.Benchmarks/release/Sluice.Benchmarks.dll" \
    --bare "$models/$model/1/model.onnx" "$rows" "$seconds" | awk '{ printf "%s\t-\t-\t-\n", $1 }'
}

run_http() {
  local header
  if [[ $client == http_json ]]; then
    printf '{"inputs":[%s]}' "$(http_tensors '"data":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]')" >"$work/body"
    header='content-type: application/json'
  else
    printf '{"inputs":[%s],"parameters":{"binary_data_output":true}}' \
      "$(http_tensors '"parameters":{"binary_data_size":64}')" >"$work/body"
    header="inference-header-content-length: $(stat -c %s "$work/body")"
    head -c 128 /dev/zero >>"$work/body"
  fi
  run_h2load --h1 -d "$work/body" -H "$header" "http://127.0.0.1:$http_port/v2/models/$model/infer"
}

# Bytes that Sluice has allocated in managed objects so far; what its own scrape allocates is in there, some 60 kB.
managed_bytes() {
  if [[ $server_name == sluice || $server_name == before ]]; then
    curl -sf "http://127.0.0.1:$metrics_port/metrics" | sed -n 's/^sluice_managed_allocated_bytes_total //p'
  else
    echo 0
  fi
}

# run_case NAME CLIENT MODEL TOLD INPUTS: adds one line to the results.
run_case() {
  local name=$1 client=$2 model=$3 told inputs=() spec figures allocated=0
  read -ra told <<<"$4"
  for spec in $5; do inputs+=(--input "$spec"); done
  if [[ $server_name == bare ]]; then
    figures=$(run_bare)
    [[ -n $figures ]] || return 0
    client=bare
  fi
  [[ $client == bare ]] || allocated=$(managed_bytes)
  case $client in
    bare) ;;
    grpc_load) figures=$(run_grpc_load) ;;
    h2load) figures=$(run_grpc_h2load) ;;
    http_*)
      [[ $server_name != echo ]] || return 0
      figures=$(run_http)
      ;;
    *) die "unknown client '$client'" ;;
  esac
  [[ $client == bare ]] || allocated=$(($(managed_bytes) - allocated))
  # A second of warm-up comes before what is measured.
  awk -F '\t' -v server="$server_name" -v name="$name" -v bytes="$allocated" -v s=$((seconds + 1)) \
    '{ printf "%s\t%s\t%s\t%s\n", server, name, $0, server != "echo" && server != "bare" ? bytes / ($2 * s) : "-" }' <<<"$figures" >>"$results"
}

run_round() {
  local line fields
  for line in "${cases[@]}"; do
    line=$(sed 's/ *| */|/g; s/ *$//' <<<"$line")
    IFS='|' read -ra fields <<<"$line"
    [[ ${fields[0]} == *"$only"* ]] || continue
    run_case "${fields[@]}"
  done
}

(($(nproc) > 1)) || die "server and client each need a core of their own; this machine has one."
prepare
for ((round = 1; round <= rounds; round++)); do
  for name in $servers; do
    say "round $round of $rounds: $name"
    if [[ $name == bare ]]; then
      server_name=bare
      run_round
      continue
    fi
    start "$name"
    settle_server
    run_round
    stop_server
  done
done
"$debian_python" "$root/perf/table.py" "$results"
