"""The application's service, version 1. It leaves when the updater says so, and owes no answer."""

from bus import Bus

bus = Bus()
bus.serve("app.version", lambda subject: 1)
bus.subscribe("app.quit", lambda *message: bus.close())
bus.run()
