#!/usr/bin/env bash
# How fast topologies are up and gone again: this program beside Mininet, on the same machine.
#
#   sudo benches/mininet.sh [TOPOLOGY…]
#
# Topologies are Mininet's published ones, here and there of the same shape: linear-100, tree-4x4
# (depth 4, fanout 4: 256 hosts), tree-2x16 (256) and tree-2x32 (1024). Without arguments: all four.
# Mininet runs with Linux bridges (its fastest switches), without controller. "Up" is from nothing to every
# host having its address and every link being up; of each, a sample of pairs must reach each other; "down"
# is until all is gone. Mininet: Mininet(…) and net.start(), then net.stop(). Ours: `overlab build`, until
# every link forwards, and until the kernel has destroyed every namespace.
# ROUNDS (3) rounds are interleaved, so that what else the machine does touches both alike: believe the
# ratios. Each runs in namespaces of its own, so that nothing is left whatever happens. Printed: medians
# with smallest and largest, memory for each host, and ratios.
# Needs: root, Mininet 2.3 (Debian package `mininet`), bridge-utils; OVERLAB, or cargo to build it.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "mininet.sh: needs root" >&2; exit 3; }
for tool in mnexec brctl unshare python3; do
    command -v $tool >/dev/null || { echo "mininet.sh: needs $tool" >&2; exit 3; }
done
if [ -z "${OVERLAB:-}" ]; then
    (cd "$here" && cargo build --release --bin overlab)
    target=$(cd "$here" && cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    OVERLAB=$target/release/overlab
fi
topologies=("$@")
[ ${#topologies[@]} -gt 0 ] || topologies=(linear-100 tree-4x4 tree-2x16 tree-2x32)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mininet() {
    local shape
    case $1 in
        linear-*) shape=(linear "${1#linear-}") ;;
        tree-*) shape=(tree "$(cut -d- -f2 <<<"$1" | cut -dx -f1)" "${1##*x}") ;;
        *) echo "mininet.sh: Mininet has no topology $1" >&2; exit 2 ;;
    esac
    unshare --net --mount --pid --fork --mount-proc /usr/bin/python3 "$here/benches/with_mininet.py" "${shape[@]}" 20
}

for round in $(seq "${ROUNDS:-3}"); do
    for topology in "${topologies[@]}"; do
        echo "round $round: $topology" >&2
        mininet "$topology" >>"$work/$topology.mininet"
        (cd "$here" && "$OVERLAB" build "$topology" --sample 200 --json) | tr -d '\n' >>"$work/$topology.overlab"
        echo >>"$work/$topology.overlab"
    done
done

python3 - "$work" "${topologies[@]}" <<'PY'
import json, statistics, sys
work, names = sys.argv[1], sys.argv[2:]
def read(name):
    return [json.loads(line) for line in open(f"{work}/{name}")]
def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"
def ratio(a, b):
    return f"{statistics.median(x / y for x, y in zip(a, b)):.1f}"
print(f"{'topology':<11} {'hosts':>5}  {'':8} {'up, s':<20} {'down, s':<20} {'MB a host':<20} reached")
for name in names:
    theirs, ours = read(f"{name}.mininet"), read(f"{name}.overlab")
    a = {"up": [r["up"] for r in theirs], "down": [r["down"] for r in theirs],
         "memory": [r["memory"] / r["hosts"] / 1e6 for r in theirs]}
    b = {"up": [r["up_seconds"] for r in ours], "down": [r["down_seconds"] for r in ours],
         "memory": [r["memory_bytes"] / r["ends"] / 1e6 for r in ours]}
    reached = lambda rs: f"{sum(r['reached'] for r in rs)} of {sum(r['tried'] for r in rs)}"
    for who, of, rs in (("Mininet", a, theirs), ("overlab", b, ours)):
        print(f"{name:<11} {theirs[0]['hosts']:>5}  {who:8} {spread(of['up']):<20} "
              f"{spread(of['down']):<20} {spread(of['memory']):<20} {reached(rs)}")
    print(f"{'':<11} {'':>5}  {'ratio':8} {ratio(a['up'], b['up']):<20} {ratio(a['down'], b['down']):<20}")
PY
