#!/bin/sh
# Prints what is published: subscriber.sh [PATTERN], by default news.>
exec panpipe sub "${1:-news.>}" --subject
