#!/usr/bin/env bash
# One TCP stream from VM to VM through two tunnel endpoints: our engines beside Linux's own VXLAN
# device and, where it is installed, Open vSwitch in user space.
#
#   sudo benches/peers.sh [PEER…]
#
# Peers: plain (two bridges, no tunnel), kernel-vxlan, ovs-vxlan, ovs-gre, ovs-geneve, and ours:
# vxlan, geneve, gre, gretap, nvgre, ipip, 6in4, stt. Without arguments: all of them.
# ROUNDS (5) rounds are interleaved, each peer once in every round for TIME (2) seconds, so that
# what else the machine does touches all alike: believe the ratios. The table is printed and, with
# OUT=FILE, written there too. Everything happens in namespaces that vanish with the script.
# Needs: root, iproute2, iperf3, ethtool; EDGE, or cargo to build it.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
rounds=${ROUNDS:-5} time=${TIME:-2}

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || { echo "peers.sh: needs root, to make namespaces" >&2; exit 3; }
    for tool in ip iperf3 ethtool unshare; do
        command -v $tool >/dev/null || { echo "peers.sh: needs $tool" >&2; exit 3; }
    done
    if [ -z "${EDGE:-}" ]; then
        (cd "$here" && cargo build --release --features peers --bin edge)
        target=$(cd "$here" && cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
        EDGE=$target/release/edge
    fi
    export EDGE
    exec unshare --mount --net --propagation private "$0" --inside "$@"
fi
shift
mkdir -p /run/netns && mount -t tmpfs none /run/netns
work=$(mktemp -d)
pids=() holds=()
declare -A from
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

peers=("$@")
if [ ${#peers[@]} = 0 ]; then
    peers=(plain kernel-vxlan vxlan geneve gretap nvgre gre ipip 6in4 stt)
    if command -v ovs-vswitchd >/dev/null; then
        peers+=(ovs-vxlan ovs-gre ovs-geneve)
    else
        echo "Open vSwitch is not installed: left out" >&2
    fi
fi

overhead() {
    case $1 in
        plain) echo 0 ;;
        ipip | 6in4) echo 20 ;;
        gre) echo 28 ;;
        gretap | nvgre | ovs-gre) echo 42 ;;
        stt) echo 72 ;;
        *) echo 50 ;;
    esac
}

in_() { local ns=$1; shift; ip netns exec "$ns" "$@"; }

# v1 -- h1 == h2 -- v2
build() {
    local p=$1 mtu=$((1500 - $(overhead "$1"))) port=65535 n
    # Open vSwitch 3.1 reads nothing but zeroes from a port of that size.
    [ "${p%%-*}" = ovs ] && port=1500
    for n in v1 h1 h2 v2; do
        ip netns add "$p.$n"
        in_ "$p.$n" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
        ip -n "$p.$n" link set lo up
    done
    ip link add nic netns "$p.h1" type veth peer name nic netns "$p.h2"
    for n in 1 2; do
        ip link add eth0 address 02:00:00:00:00:0$n netns "$p.v$n" mtu $mtu type veth peer name port netns "$p.h$n" mtu $port
        ip -n "$p.v$n" addr add 192.168.0.$n/24 dev eth0
        ip -n "$p.v$n" -6 addr add fd00::$n/64 dev eth0 nodad
        ip -n "$p.v$n" link set eth0 up
        ip -n "$p.h$n" link set port up
        ip -n "$p.h$n" link set nic up
        [ "${p%%-*}" = ovs ] || ip -n "$p.h$n" addr add 10.0.0.$n/24 dev nic
    done
}

bridge() { # namespace ports…
    local ns=$1 port; shift
    ip -n "$ns" link add name br0 type bridge mcast_snooping 0
    ip -n "$ns" link set br0 up
    for port in "$@"; do ip -n "$ns" link set "$port" master br0 up; done
}

ovs() { # peer tunnel: one private instance in each host's namespace
    local p=$1 kind=$2 n dir
    for n in 1 2; do
        dir=$work/$p.$n; mkdir -p "$dir"
        export OVS_RUNDIR=$dir OVS_DBDIR=$dir OVS_LOGDIR=$dir
        ovsdb-tool create "$dir/conf.db" /usr/share/openvswitch/vswitch.ovsschema
        in_ "$p.h$n" ovsdb-server "$dir/conf.db" --remote=punix:"$dir/db.sock" --unixctl="$dir/db.ctl" \
            --pidfile="$dir/db.pid" --log-file="$dir/db.log" --detach --no-chdir 2>/dev/null
        pids+=("$(cat "$dir/db.pid")")
        ovs-vsctl --db=unix:"$dir/db.sock" --no-wait init
        in_ "$p.h$n" ovs-vswitchd unix:"$dir/db.sock" --unixctl="$dir/vs.ctl" \
            --pidfile="$dir/vs.pid" --log-file="$dir/vs.log" --detach --no-chdir 2>/dev/null
        pids+=("$(cat "$dir/vs.pid")")
        ovs-vsctl --db=unix:"$dir/db.sock" \
            add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy nic \
            -- add-br br-int -- set bridge br-int datapath_type=netdev -- add-port br-int port \
            -- add-port br-int tun -- set interface tun type="$kind" options:remote_ip=10.0.0.$((3 - n)) options:key=100
        ip -n "$p.h$n" addr add 10.0.0.$n/24 dev br-phy
        ip -n "$p.h$n" link set br-phy up
        # What userspace reads from a packet socket must be whole packets.
        in_ "$p.h$n" ethtool -K nic tx off tso off gso off gro off >/dev/null 2>&1 || true
        in_ "$p.v$n" ethtool -K eth0 tx off tso off gso off >/dev/null 2>&1 || true
        unset OVS_RUNDIR OVS_DBDIR OVS_LOGDIR
    done
}

serve() { # peer: our two edges in one process
    local p=$1 n a=() id=100 at=192.168.0.
    [ "$p" = nvgre ] && id=5000
    case $p in ipip | 6in4) id=0 ;; esac
    [ "$p" = 6in4 ] && at=fd00::
    for n in 1 2; do
        # The host's own stack is not to see the VM's frames: classic BPF `ret TC_ACT_SHOT`.
        tc -n "$p.h$n" qdisc add dev port clsact
        tc -n "$p.h$n" filter add dev port ingress bpf da bytecode '1,6 0 0 2'
        a+=("$p.h$n,nic,10.0.0.$n,port,10.0.0.$((3 - n)),$id,$at$n,02:00:00:00:00:0$n,$at$((3 - n))")
    done
    mkfifo "$work/$p.in" "$work/$p.out"
    "$EDGE" "$p" $((1500 - $(overhead "$p"))) "${a[@]}" <"$work/$p.in" >"$work/$p.out" &
    pids+=($!)
    exec {hold}>"$work/$p.in" {from[$p]}<"$work/$p.out"
    holds+=("$hold")
    read -rt 20 word <&"${from[$p]}" && [ "$word" = ready ] || { echo "peers.sh: $p: no edge" >&2; exit 1; }
}

for p in "${peers[@]}"; do
    build "$p"
    case $p in
        plain) for n in 1 2; do bridge "$p.h$n" nic port; done ;;
        kernel-vxlan)
            for n in 1 2; do
                ip -n "$p.h$n" link add name vx type vxlan id 100 local 10.0.0.$n remote 10.0.0.$((3 - n)) dstport 4789 nolearning
                bridge "$p.h$n" vx port
            done ;;
        ovs-*) ovs "$p" "${p#ovs-}" ;;
        *) serve "$p" ;;
    esac
    to=192.168.0.2; [ "$p" = 6in4 ] && to=fd00::2
    in_ "$p.v2" iperf3 -s -D --pidfile "$work/$p.iperf"
    # Ready when the other VM answers.
    for ((try = 1; ; try++)); do
        in_ "$p.v1" iperf3 -c "$to" -n 1K --connect-timeout 1000 >/dev/null 2>&1 && break
        [ $try -lt 20 ] || { echo "peers.sh: $p does not carry" >&2; exit 1; }
    done
    pids+=("$(tr -d '\0' <"$work/$p.iperf")")
done

for ((round = 1; round <= rounds; round++)); do
    for p in "${peers[@]}"; do
        to=192.168.0.2; [ "$p" = 6in4 ] && to=fd00::2
        rate=$(in_ "$p.v1" iperf3 -c "$to" -t "$time" -J |
            awk '/"sum_received"/ { on = 1 } on && /"bits_per_second"/ { sub(/,.*/, "", $2); print $2; exit }')
        echo "${rate:-0}" >>"$work/$p.rates"
        echo "round $round $p ${rate:-failed}" >&2
    done
done

# Median, smallest and largest rate in Gbit/s; ratios to kernel-vxlan are the medians of the rounds' own ratios.
stats() { sort -g | awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; print m, v[1], v[NR] }'; }
table() {
    echo "| path | Gbit/s, median (smallest to largest of $rounds) | x kernel VXLAN, median (smallest to largest) |"
    echo "|---|---|---|"
    for p in "${peers[@]}"; do
        read -r m lo hi < <(stats <"$work/$p.rates")
        if [ -e "$work/kernel-vxlan.rates" ]; then
            read -r rm rlo rhi < <(paste "$work/$p.rates" "$work/kernel-vxlan.rates" | awk '$2 > 0 { print $1 / $2 }' | stats)
            ratio=$(awk -v m="$rm" -v l="$rlo" -v h="$rhi" 'BEGIN { printf "%.2f (%.2f to %.2f)", m, l, h }')
        else
            ratio=-
        fi
        awk -v p="$p" -v m="$m" -v l="$lo" -v h="$hi" -v r="$ratio" \
            'BEGIN { printf "| %s | %.1f (%.1f to %.1f) | %s |\n", p, m / 1e9, l / 1e9, h / 1e9, r }'
    done
}
if [ -n "${OUT:-}" ]; then table | tee "$OUT"; else table; fi
# What our edges dropped: a rate that cost frames is another rate.
for hold in "${holds[@]}"; do echo end >&"$hold"; done
for p in "${peers[@]}"; do
    [ -z "${from[$p]:-}" ] || { read -rt 20 line <&"${from[$p]}" && echo "$p: $line" >&2; }
done
