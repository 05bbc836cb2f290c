#!/bin/bash
# What the stack of a server costs over loopback: wrk asks a bare Axum router, the same one behind `http::server`, behind a layer
# that does nothing, and behind tower's own load shedding, concurrency limit and timeout, in turns.
#
#   benches/wrk.sh [ROUNDS] [SECONDS] [CONNECTIONS]      # 12 rounds of 4 s each with 32 connections
#
# Of each round the ratios to the bare one are taken, and of all ratios the median and the middle half: what else runs on the
# machine meets all alike. The server's own time on the processor, per request, is hardly touched by it. Where there are two
# processors or more, the server has one and wrk another. Wanted: throughput within 3 %, p99 within 5 %.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-12} seconds=${2:-4} connections=${3:-32}

if ! command -v wrk >/dev/null; then
    echo 'installing wrk, from Debian' >&2
    apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk >/dev/null
fi
cargo build --release --quiet --features http --example overhead_http
server=${CARGO_TARGET_DIR:-target}/release/examples/overhead_http

on_server=() on_wrk=()
if command -v taskset >/dev/null && [ "$(nproc)" -ge 2 ]; then
    on_server=(taskset -c 0) on_wrk=(taskset -c 1)
fi

sides=(bare protected nothing tower)
declare -A port=([bare]=38481 [protected]=38482 [nothing]=38483 [tower]=38484) process
for side in "${sides[@]}"; do
    "${on_server[@]}" "$server" "$side" "127.0.0.1:${port[$side]}" &
    process[$side]=$!
done
trap 'kill "${process[@]}" 2>/dev/null || true' EXIT
for side in "${sides[@]}"; do
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/${port[$side]}") 2>/dev/null && continue 2
        sleep 0.1
    done
    echo "$side does not answer" >&2
    exit 1
done

# The time that a process has spent on processors, in seconds.
spent() { awk -v tick="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print ($12 + $13) / tick }' "/proc/${process[$1]}/stat"; }

# Requests per second, p99 in microseconds, and microseconds on the processor per request.
measure() {
    local before after said
    before=$(spent "$1")
    said=$("${on_wrk[@]}" wrk -t1 -c"$connections" -d"$2s" --latency "http://127.0.0.1:${port[$1]}/")
    after=$(spent "$1")
    if grep -qE 'Non-2xx|Socket errors' <<<"$said"; then
        echo "$said" >&2
        exit 1
    fi
    awk -v before="$before" -v after="$after" '
        $1 == "99%" { p99 = $2 + 0; if ($2 ~ /ms$/) p99 *= 1e3; else if ($2 !~ /us$/) p99 *= 1e6 }
        /requests in/ { requests = $1 }
        $1 == "Requests/sec:" { rate = $2 }
        END { printf "%.1f %.1f %.3f\n", rate, p99, (after - before) * 1e6 / requests }' <<<"$said"
}

for side in "${sides[@]}"; do measure "$side" 2 >/dev/null; done # Warm.

printf '%-6s %28s %28s %28s %28s\n' round 'bare: 1/s, p99 us, cpu us' protected nothing tower
results=()
for round in $(seq "$rounds"); do
    declare -A of=()
    for turn in 0 1 2 3; do # Each is first as often as the others.
        side=${sides[$(((round + turn) % 4))]}
        of[$side]=$(measure "$side" "$seconds")
    done
    all=("${of[bare]}" "${of[protected]}" "${of[nothing]}" "${of[tower]}")
    printf '%-6s %28s %28s %28s %28s\n' "$round" "${all[@]}"
    results+=("${all[*]}")
done

printf '%s\n' "${results[@]}" | awk '
    function show(name, column, over,   list, i, j, held, middle) {
        for (i = 1; i <= NR; i++) list[i] = value[i, column] / value[i, over]
        for (i = 2; i <= NR; i++) { held = list[i]; for (j = i - 1; j > 0 && list[j] > held; j--) list[j + 1] = list[j]; list[j + 1] = held }
        middle = NR % 2 ? list[(NR + 1) / 2] : (list[NR / 2] + list[NR / 2 + 1]) / 2
        printf "%-24s median %.3f   middle half %.3f to %.3f   all %.3f to %.3f\n", name, middle, list[int((NR + 3) / 4)], list[NR + 1 - int((NR + 3) / 4)], list[1], list[NR]
    }
    { for (i = 1; i <= 12; i++) value[NR, i] = $i }
    END {
        split("bare protected nothing tower", side, " ")
        for (of = 2; of <= 4; of++) {
            print side[of] " / bare, of " NR " rounds:"
            first = 3 * (of - 1)
            show("throughput", first + 1, 1); show("p99", first + 2, 2); show("cpu time per request", first + 3, 3)
        }
    }'
