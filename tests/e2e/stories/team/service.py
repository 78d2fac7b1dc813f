"""Keeps the team's notes: notes.add(who, text), which everybody hears of, and notes.all()."""

from bus import Bus

bus = Bus()
notes = []


def add(subject, who, text):
    notes.append([who, text])
    bus.publish("notes.new", who, text)
    return len(notes)


bus.serve("notes.add", add)
bus.serve("notes.all", lambda subject: notes)
bus.run()
