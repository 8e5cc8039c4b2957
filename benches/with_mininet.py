#!/usr/bin/env python3
"""One topology up, a sample of pairs, and down again, by Mininet with Linux bridges: for mininet.sh.

    with_mininet.py tree DEPTH FANOUT | linear SWITCHES   [SAMPLE]

Prints a line of JSON: seconds up, seconds down, pairs reached, pairs tried, bytes of memory.
"""
import json
import random
import sys
import time

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import LinearTopo
from mininet.topolib import TreeTopo


def in_use():
    lines = (line.split() for line in open("/proc/meminfo"))
    sizes = {line[0]: int(line[1]) * 1024 for line in lines}
    return sizes["MemTotal:"] - sizes["MemAvailable:"]


def main():
    setLogLevel("error")
    kind, *numbers = sys.argv[1:]
    numbers = [int(number) for number in numbers]
    if kind == "tree":
        topo, rest = TreeTopo(depth=numbers[0], fanout=numbers[1]), numbers[2:]
    else:
        topo, rest = LinearTopo(k=numbers[0]), numbers[1:]
    sample = rest[0] if rest else 20
    used, begun = in_use(), time.monotonic()
    net = Mininet(topo=topo, switch=LinuxBridge, controller=None, autoSetMacs=True)
    net.start()
    up, memory = time.monotonic() - begun, in_use() - used
    draw, reached = random.Random(0), 0
    for _ in range(sample):
        a, b = draw.sample(net.hosts, 2)
        reached += " 1 received" in a.cmd("ping -c1 -W3", b.IP())
    begun = time.monotonic()
    net.stop()
    down = time.monotonic() - begun
    hosts = len(topo.hosts())
    print(json.dumps(dict(up=up, down=down, reached=reached, tried=sample, memory=memory, hosts=hosts)))


main()
