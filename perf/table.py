#!/usr/bin/python3
"""Prints the medians of perf/compare.sh's results as one table: perf/table.py results.tsv"""

import collections
import statistics
import sys


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    # case -> server -> one [cpu, rps, p50, p99, bytes] per round; the order of the file is the order of the table.
    runs = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in file:
            server, case, *figures = line.rstrip("\n").split("\t")
            runs[case][server].append(figures)

    def median(case, server, column):
        values = [float(figures[column]) for figures in runs[case][server] if figures[column] != "-"]
        return statistics.median(values) if values else None

    def text(value, digits=1):
        return "-" if value is None else f"{value:,.{digits}f}"

    rows = [["case", "C++ echo CPU µs", "Sluice CPU µs", "ratio", "model alone µs", "Sluice req/s", "bytes/request", "C++ p50/p99 µs",
             "Sluice p50/p99 µs"]]
    has_before = any("before" in servers for servers in runs.values())
    if has_before:
        rows[0][4:4] = ["before CPU µs", "now / before", "before bytes/request"]
    for case in runs:
        echo, sluice = median(case, "echo", 0), median(case, "sluice", 0)
        latencies = [f"{text(median(case, s, 2), 0)} / {text(median(case, s, 3), 0)}" for s in ("echo", "sluice")]
        rows.append([case, text(echo), text(sluice), text(sluice / echo if echo and sluice else None, 2),
                     text(median(case, "bare", 0)), text(median(case, "sluice", 1), 0),
                     text(median(case, "sluice", 4), 0), *latencies])
        if has_before:
            before = median(case, "before", 0)
            rows[-1][4:4] = [text(before), text(sluice / before if sluice and before else None, 2), text(median(case, "before", 4), 0)]

    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]])
    for row in rows:
        first, *others = (cell.ljust(width) if i == 0 else cell.rjust(width)
                          for i, (cell, width) in enumerate(zip(row, widths)))
        print("| " + " | ".join([first, *others]) + " |")


if __name__ == "__main__":
    main()
