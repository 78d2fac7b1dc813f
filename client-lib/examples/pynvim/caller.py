#!/usr/bin/python3
"""Calls a service: caller.py SUBJECT [NUMBER...], as in caller.py svc.sum 1 2 39"""

import sys

from bus import attach

session = attach()
try:
    print(session.request(sys.argv[1], *map(int, sys.argv[2:])))
except RuntimeError as error:
    sys.exit(str(error))
finally:
    session.close()
