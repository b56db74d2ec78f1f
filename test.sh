#!/usr/bin/env bash
# Everything that must hold before a change lands: builds all, runs all tests, starts the demo. The same on a laptop
# and in CI. The last line is "N passed, N failed"; the exit code is 0 only when nothing failed.
# No -e: a step that fails is counted, and most of the others still have something to say.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"
cd "$root" || exit 1

results=$root/artifacts/test
passed=0
failed=0
failures=()

add_failure() {
  failed=$((failed + ${2:-1}))
  failures+=("$1")
}

finish() {
  local failure
  for failure in ${failures[@]+"${failures[@]}"}; do printf 'failed: %s\n' "$failure"; done
  printf '%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0 && passed > 0))
  exit
}

# check NAME COMMAND...: one test that passes when the command does; its output is shown when it does not.
check() {
  local name=$1 log=$results/check.log
  shift
  say "$name"
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
  else
    cat "$log"
    add_failure "$name"
    return 1
  fi
}

# must NAME COMMAND...: like check, but nothing after it makes sense when it fails.
must() { check "$@" || finish; }

# run_ctest: counts each case of ctest; a run without a report counts as one failure.
run_ctest() {
  local report=$results/ctest.xml code=0 tests failing
  say "C++ tests"
  ctest --test-dir build --output-on-failure --output-junit "$report" || code=$?
  tests=$(sed -n 's/.*[[:space:]]tests="\([0-9]*\)".*/\1/p' "$report" 2>/dev/null | head -n 1)
  failing=$(sed -n 's/.*[[:space:]]failures="\([0-9]*\)".*/\1/p' "$report" 2>/dev/null | head -n 1)
  if [[ -z $tests || -z $failing ]] || ((tests == 0)); then
    add_failure "ctest ran no tests (exit code $code)"
    return
  fi
  passed=$((passed + tests - failing))
  if ((failing > 0)); then
    add_failure "$failing C++ tests" "$failing"
  elif ((code != 0)); then
    add_failure "ctest (exit code $code)"
  fi
}

# run_dotnet_tests: sums the line that each test project ends with. A project without one has crashed, hung or holds
# no tests, and counts as a failure of its own.
run_dotnet_tests() {
  local log=$results/dotnet-test.log code=0 failing=0 reports=0 projects project line
  local over_kestrel=(Sluice.Functional.Tests Sluice.Conformance.Tests)
  local summary='Failed:[[:space:]]*([0-9]+), Passed:[[:space:]]*([0-9]+), Skipped:[[:space:]]*[0-9]+, Total:'
  say "C# tests"
  # Installed above, so a test that cannot find one of the real clients has failed.
  export SLUICE_REQUIRE_CLIENTS=1
  # One project at a time: several of them measure, and this may be a machine with two cores.
  local options=(-c Release --no-build --nologo -nodeReuse:false -m:1 --logger 'console;verbosity=minimal'
    --blame-hang --blame-hang-timeout 5m --blame-hang-dump-type none --results-directory "$results/dotnet")
  dotnet test Server.sln "${options[@]}" 2>&1 | tee "$log" || code=$?
  for project in "${over_kestrel[@]}"; do
    say "$project again, over Kestrel"
    SLUICE_TEST_GRPC_TRANSPORT=kestrel dotnet test "tests/$project" "${options[@]}" 2>&1 | tee -a "$log" || code=$?
  done
  while IFS= read -r line; do
    [[ $line =~ $summary ]] || continue
    reports=$((reports + 1))
    failing=$((failing + BASH_REMATCH[1]))
    passed=$((passed + BASH_REMATCH[2]))
  done <"$log"
  ((failing == 0)) || add_failure "$failing C# tests" "$failing"

  projects=$(($(find tests -name '*.Tests.csproj' | wc -l) + ${#over_kestrel[@]}))
  if ((reports < projects)); then
    for line in tests/*.Tests; do
      grep -q "Total:.* - ${line##*/}\.dll" "$log" || add_failure "${line##*/} reported no result"
    done
  fi
  if ((code != 0 && failed == 0)); then add_failure "dotnet test (exit code $code)"; fi
}

# run_page_tests: the page in a real browser. Each test counts; a run without a report counts as one failure.
run_page_tests() {
  local log=$results/page.tap code=0 passing failing
  say "the page in a browser"
  timeout 900 node --test --test-concurrency=1 --test-reporter=tap tests/web/*.test.mjs >"$log" 2>&1 || code=$?
  grep -E '^(not )?ok' "$log"
  passing=$(sed -n 's/^# pass \([0-9]*\)$/\1/p' "$log")
  failing=$(sed -n 's/^# fail \([0-9]*\)$/\1/p' "$log")
  if [[ -z $passing || -z $failing ]] || ((passing + failing == 0)); then
    tail -n 40 "$log"
    add_failure "the page's tests gave no report"
    return
  fi
  passed=$((passed + passing))
  if ((failing > 0)); then
    grep -A 30 '^not ok' "$log"
    add_failure "$failing tests of the page" "$failing"
  elif ((code != 0)); then
    add_failure "the page's tests (exit code $code)"
  fi
}

# shellcheck disable=SC2317  # Called through check.
scripts_parse() {
  local script
  for script in ./*.sh sluice clearml-serving .ci/run scripts/*.sh perf/*.sh perf/reference/*.sh; do bash -n "$script" || return; done
}

# Ports that nobody listens on, so that a server of the user's may go on running.
# shellcheck disable=SC2317
demo_once() {
  local ports
  read -ra ports < <(free_ports 4)
  SLUICE_HTTP_PORT=${ports[0]} SLUICE_GRPC_PORT=${ports[1]} SLUICE_METRICS_PORT=${ports[2]} SLUICE_SERVE_PORT=${ports[3]} \
    timeout 120 ./run.sh --once
}

need_dotnet
rm -rf "$results"
mkdir -p "$results"

must 'install what the server needs' scripts/install-native.sh
must 'install what the tests need' scripts/install-test.sh --models
check 'scripts parse' scripts_parse
must 'configure C++' cmake -S . -B build
must 'build C++' cmake --build build --parallel
run_ctest
must 'build the page' scripts/build-web.sh
must 'build C#' dotnet build Server.sln -c Release --nologo -nodeReuse:false -v quiet
run_dotnet_tests
run_page_tests
check 'the hot path keeps its budgets' timeout 60 dotnet artifacts/bin/Sluice.Benchmarks/release/Sluice.Benchmarks.dll --budget
check 'the demo model has its recorded accuracy' examples/digits/train.py --check
check 'the demo runs' demo_once
# Too short to be a figure; it shows that every way of measuring works and no request fails.
check 'the comparison runs' timeout 180 perf/compare.sh --only add_sub --rounds 1 --seconds 1 --settle 0
finish
