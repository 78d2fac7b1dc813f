#!/usr/bin/python3
"""Serves svc.sum, which adds numbers, and publishes each sum as news.sum."""

from bus import Bus

bus = Bus()


def add(subject, *numbers):
    result = sum(numbers)  # an exception is answered as an error
    bus.publish("news.sum", result)
    return result


bus.serve("svc.sum", add)
bus.run()
