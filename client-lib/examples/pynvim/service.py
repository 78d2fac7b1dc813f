#!/usr/bin/python3
"""Serves svc.sum, which adds numbers, and publishes each sum as news.sum."""

import sys

from bus import attach

session = attach()


def on_call(subject, numbers):
    result = sum(numbers)  # an exception is answered as an error
    session.request("news.sum", result, async_=True)
    return result


session.run(on_call, None, lambda: session.request("$serve", "svc.sum"))
sys.exit("the broker has closed the connection")
