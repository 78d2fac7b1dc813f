#!/bin/sh
# updater.sh NEW: puts NEW in the service's place, lets the old one go, and starts the new one.
export PANPIPE=desktop PANPIPE_NO_START=1 # the application's broker, and no other
mv "$1" service.py
panpipe pub app.quit now
exec python3 service.py
