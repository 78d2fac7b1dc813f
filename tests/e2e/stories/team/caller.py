"""caller.py WHO TEXT: adds a note, then prints all there are."""

import sys

from bus import Bus

bus = Bus()
bus.call("notes.add", sys.argv[1], sys.argv[2])
for who, text in bus.call("notes.all"):
    print(who, text, sep=": ")
