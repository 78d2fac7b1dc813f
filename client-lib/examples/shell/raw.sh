#!/usr/bin/env bash
# What the others do is bytes: here they are written by hand, to `panpipe stdio` as a coprocess.
# Publishes, asks the broker whether it has handled that, and prints what it says, in hex.
set -eu
coproc BUS { panpipe stdio; }

printf '\x93\x02\xa8news.raw\x91\x2a' >&"${BUS[1]}" # [2, "news.raw", [42]]
printf '\x94\x00\x07\xa5$sync\x90' >&"${BUS[1]}"    # [0, 7, "$sync", []]
od -An -tx1 -N5 <&"${BUS[0]}"                       # [1, 7, nil, nil]
