#!/usr/bin/env bash
# smoke_test.sh CASE ECHO_SERVER GRPC_LOAD: one of ctest's cases, with the real programs.
set -euo pipefail

case_name=$1 echo_server=$2 grpc_load=$3
work=$(mktemp -d)
server=
cleanup() {
  [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Starts the server on a free port; sets server and port.
start_server() {
  # The background shell opens it whenever it gets to run.
  : >"$work/server"
  "$echo_server" --address 127.0.0.1:0 "$@" >"$work/server" &
  server=$!
  for _ in {1..200}; do
    port=$(sed -n 's/^listening on port //p' "$work/server")
    [[ -z $port ]] || return 0
    kill -0 "$server" 2>/dev/null || fail "the server ended at once"
    sleep 0.05
  done
  fail "the server does not listen"
}

# SIGTERM must end it with exit code 0.
stop_server() {
  kill -TERM "$server"
  wait "$server" || fail "the server exited with $? after SIGTERM"
  server=
}

load() {
  "$grpc_load" --address "127.0.0.1:$port" --warmup 0.1 --seconds 0.5 --expect-echo 1 --server-pid "$server" "$@" |
    tee "$work/report"
  grep -q '"errors":0,' "$work/report" || fail "errors in the report"
  grep -Eq '"cpu_us_per_request":[0-9]' "$work/report" || fail "no CPU time in the report"
}

add_sub=(--input "INPUT0:INT32:1,16" --input "INPUT1:INT32:1,16")

case $case_name in
  unary)
    start_server --threads 2
    load "${add_sub[@]}"
    load "${add_sub[@]}" --in-flight 64 --connections 4
    stop_server
    ;;
  bidi)
    start_server
    load "${add_sub[@]}" --in-flight 32 --streams 1
    # More streams than the server offers from the start.
    load "${add_sub[@]}" --in-flight 50 --streams 20 --connections 2
    stop_server
    ;;
  large)
    start_server
    load --input X:FP32:1,4194304 --in-flight 2
    load --input X:FP32:1,262144 --in-flight 4 --streams 2
    stop_server
    ;;
  cancel)
    # Clients that vanish in the middle leave a server that serves the next one.
    start_server
    for streams in 0 4; do
      timeout -s KILL 0.5 "$grpc_load" --address "127.0.0.1:$port" "${add_sub[@]}" --in-flight 32 --streams "$streams" \
        >/dev/null || true
    done
    load "${add_sub[@]}" --in-flight 8
    load "${add_sub[@]}" --in-flight 8 --streams 2
    stop_server
    ;;
  dead_server)
    start_server
    stop_server
    if "$grpc_load" --address "127.0.0.1:$port" --warmup 0 --seconds 0.3 "${add_sub[@]}" >"$work/report"; then
      fail "no error although nobody answers"
    fi
    grep -q '"requests":0,' "$work/report" || fail "requests were counted: $(<"$work/report")"
    ;;
  frame)
    "$grpc_load" "${add_sub[@]}" --write-frame "$work/frame"
    size=$(stat -c %s "$work/frame")
    [[ $(od -An -tu1 -N5 "$work/frame" | tr -s ' ') == " 0 0 0 0 $((size - 5))" ]] || fail "a wrong frame header"
    ;;
  usage)
    for wrong in "--no-such-flag 1" "--in-flight 0" "--in-flight" "--input A:INT32:0" "--seconds 1"; do
      # shellcheck disable=SC2086
      if "$grpc_load" $wrong 2>"$work/message"; then fail "accepted $wrong"; else code=$?; fi
      [[ $code == 2 && -s $work/message ]] || fail "$wrong: exit code $code"
    done
    ;;
  *) fail "unknown case '$case_name'" ;;
esac
