#!/bin/sh
# Calls a service: caller.sh SUBJECT [NUMBER...], as in caller.sh svc.sum 1 2 39
# The exit code says what went wrong: 5 nobody serves it, 7 the service's own error, 6 too late.
subject=$1
shift
exec panpipe req "$subject" --in json "[$(echo "$*" | tr ' ' ',')]"
