#!/usr/bin/python3
"""Prints what is published: subscriber.py [PATTERN], by default news.>"""

import sys

from bus import Bus

bus = Bus()
pattern = sys.argv[1] if sys.argv[1:] else "news.>"
bus.subscribe(pattern, lambda *message: print(*message, flush=True))
bus.run()
