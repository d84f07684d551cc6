#!/usr/bin/env bash
# Fuzzes for a long time, and keeps the books: every slice adds a line to log.tsv. The target that lacks most
# of its goal comes first; several at once divide the targets among themselves.
#
#   fuzz/soak.sh [MINUTES]   fuzzes until then, or until every goal is reached (60 minutes)
#   fuzz/soak.sh sum         adds the log up
#
# Without a sanitizer: nearly all of this is safe Rust, where an address sanitizer only costs runs. The short
# runs of every change have one.
set -euo pipefail
cd "$(dirname "$0")"

log=$PWD/log.tsv
work=${FUZZ_TARGET_DIR:-$PWD/../target/soak}
# Files that live as long as a run need no disk.
[[ -n ${TMPDIR:-} || ! -w /dev/shm ]] || export TMPDIR=/dev/shm
slice=${FUZZ_SLICE_SECONDS:-120}

# What whoever sends a datagram or opens a connection can reach, before anybody knows who that is.
reached_by_strangers='ack_ranges authenticated_peer challenge connection_pair endpoint_stranger frames keys login_messages
messages opaque_login packet_header packet_stateless reassembly server_identity session_messages tls_handshake token
transport_parameters'
# What no packet over Ethernet is longer than: more of the same frames and headers finds nothing new, and takes long.
reads_packets='frames packet_header packet_stateless'
packet_bytes=1472
stranger_minutes=30
other_minutes=10

# Target, minutes that are its goal, CPU minutes, runs, runs per CPU second, most edges seen.
sums() {
    cargo +nightly fuzz list | awk -F'\t' -v strangers="$reached_by_strangers" \
        -v stranger="$stranger_minutes" -v other="$other_minutes" '
        BEGIN { split(strangers, names, /[ \n]+/); for (i in names) reached[names[i]] = 1; OFS = "\t" }
        FILENAME == "-" { targets[++count] = $1; next }
        FNR > 1 { cpu[$3] += $4; runs[$3] += $5; if ($6 > edges[$3]) edges[$3] = $6 }
        END {
            for (i = 1; i <= count; i++) {
                name = targets[i]
                print name, name in reached ? stranger : other, sprintf("%.1f", cpu[name] / 60), runs[name] + 0,
                    cpu[name] ? int(runs[name] / cpu[name]) : 0, edges[name] + 0
            }
        }' - "$log"
}

build() {
    cargo +nightly fuzz build --sanitizer none --target-dir "$work"
    binaries=$work/$(rustc -vV | sed -n 's/^host: //p')/release
    commit=$(git rev-parse --short HEAD)
}

# One slice of one target; the corpus that grows stays out of the tree.
fuzz() {
    local target=$1 output=$work/$1.log cpu runs edges longest=0
    [[ " $reads_packets " != *" $target "* ]] || longest=$packet_bytes
    mkdir -p "$work/corpus/$target" "$work/artifacts/$target"
    TIMEFORMAT='%U %S'
    if ! cpu=$({ time "$binaries/$target" "$work/corpus/$target" "corpus/$target" -max_total_time="$slice" \
        -timeout=120 -max_len="$longest" -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/artifacts/$target/" \
        >"$output" 2>&1; } 2>&1); then
        tail -n 40 "$output"
        echo "$target has found something: it is in $work/artifacts/$target"
        return 1
    fi
    cpu=$(awk '{ printf "%.1f", $1 + $2 }' <<<"$cpu")
    runs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$output")
    edges=$(grep -oE 'cov: [0-9]+' "$output" | tail -n 1 | cut -d' ' -f2)
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%F)" "$commit" "$target" "$cpu" "$runs" "$edges" >>"$log"
}

soak() {
    local end=$((SECONDS + $1 * 60)) target
    build
    while ((SECONDS < end)); do
        target=
        while read -r name; do
            # A target that came after the build waits for the next one.
            [[ -x $binaries/$name ]] || continue
            exec {lock}>"$work/$name.lock"
            if flock --nonblock "$lock"; then
                target=$name
                break
            fi
            exec {lock}>&-
        done < <(sums | awk -F'\t' '$3 < $2 { print $3 / $2 "\t" $1 }' | sort -n | cut -f2)
        [[ $target ]] || return 0
        fuzz "$target"
        exec {lock}>&-
    done
}

[[ -e $log ]] || printf 'date\tcommit\ttarget\tcpu_seconds\truns\tedges\n' >"$log"
if [[ ${1-} == sum ]]; then
    { printf 'target\tgoal\tminutes\truns\truns/s\tedges\n'; sums; } | column -t -s $'\t'
else
    soak "${1-60}"
fi
