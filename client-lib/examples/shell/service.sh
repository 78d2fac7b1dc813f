#!/bin/sh
# Serves svc.sum, which adds numbers, and publishes each sum as news.sum. The command reads the
# call's params as JSON; what it prints is the answer, as JSON. If it fails, so does the call.
exec panpipe serve svc.sum --in json --exec '
  awk "{
    gsub(/[][ ]/, \"\")
    if (/[^0-9,.-]/) exit 1
    for (i = split(\$0, number, \",\"); i > 0; i--) sum += number[i]
    print sum + 0
  }" | { read -r sum && panpipe pub news.sum --in json "[$sum]" && echo "$sum"; }'
