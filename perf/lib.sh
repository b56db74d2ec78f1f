# What the scripts that measure a server share. Sourced, never run; sources scripts/lib.sh.
# shellcheck shell=bash
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

# shellcheck disable=SC2034
server_cpu=${SERVER_CPU:-0}
# shellcheck disable=SC2034
client_cpu=${CLIENT_CPU:-1}
work=$root/artifacts/perf
reference=$root/build/perf/reference

# The server under measurement: its process, what it is called and where its output goes.
server='' server_name='' server_log=''

stop_server() {
  [[ -n $server ]] || return 0
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" || say "$server_name exited with code $? after SIGTERM"
  server=
}
trap stop_server EXIT
trap 'exit 130' INT TERM

# start_server NAME LOG COMMAND...: starts it on its core.
start_server() {
  server_name=$1 server_log=$2
  shift 2
  taskset -c "$server_cpu" "$@" >"$server_log" 2>&1 &
  server=$!
}

# until_true WHAT COMMAND...: polls for up to a minute; the server's end ends the wait.
until_true() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@"; do
    kill -0 "$server" 2>/dev/null || die "$server_name ended before $what." "Its output: $server_log"
    ((SECONDS < deadline)) || die "gave up waiting for $what." "Its output: $server_log"
    sleep 0.05
  done
}

# User plus system time so far of the server and of the processes that it has started, in µs.
server_cpu_us() {
  local id total=0
  for id in "$server" $(pgrep -P "$server" || true); do
    # The name in the second field holds no blank.
    total=$((total + $(awk -v ticks="$(getconf CLK_TCK)" '{ printf "%d", ($14 + $15) * 1000000 / ticks }' "/proc/$id/stat")))
  done
  echo "$total"
}

# h2load_ended REPORT: how many requests it made when all of them went well; nothing otherwise.
h2load_ended() { sed -n 's/^status codes: \([1-9][0-9]*\) 2xx, 0 3xx, 0 4xx, 0 5xx$/\1/p' <<<"$1"; }

# What all of them need: the clients, and the C++ programs of perf/reference.
prepare_clients() {
  need_command taskset "It is in Debian's package util-linux."
  "$root/scripts/install-test.sh" --models
  cmake -S "$root" -B "$root/build" >/dev/null
  cmake --build "$root/build" --parallel >/dev/null
}
