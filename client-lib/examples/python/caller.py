#!/usr/bin/python3
"""Calls a service: caller.py SUBJECT [NUMBER...], as in caller.py svc.sum 1 2 39"""

import sys

from bus import Bus

try:
    print(Bus().call(sys.argv[1], *map(int, sys.argv[2:])))
except RuntimeError as error:  # "E_NORESP ...": nobody serves it; or what the service said
    sys.exit(str(error))
