#!/usr/bin/env python3
"""Make a Markdown table of lines "label<TAB>hash" on standard input."""
import sys

print("| text | SHA-256 |\n|---|---|")
for line in sys.stdin:
    label, _, digest = line.rstrip("\n").partition("\t")
    print(f"| {label[:40]} | {digest} |")
