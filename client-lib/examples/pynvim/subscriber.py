#!/usr/bin/python3
"""Prints what is published: subscriber.py [PATTERN], by default news.>"""

import sys

from bus import attach

session = attach()
pattern = sys.argv[1] if sys.argv[1:] else "news.>"
session.run(
    None,
    lambda subject, params: print(subject, *params, flush=True),
    lambda: session.request("$sub", pattern),
)
sys.exit("the broker has closed the connection")
