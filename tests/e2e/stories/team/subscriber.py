"""Prints notes as they are added."""

from bus import Bus

bus = Bus()
bus.subscribe("notes.new", lambda subject, who, text: print(f"new, by {who}: {text}", flush=True))
bus.run()
