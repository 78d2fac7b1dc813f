"""What the objects look like that panpipe prints with --json: small schemas, after broker/SYS.md.

A schema is a type, a tuple of some, [schema of each], {name: schema} with exactly these names (one
that ends with ? may be missing), or a function that is true for what is right.
"""

from support import ON_WINE


def count(value):
    return type(value) is int and value >= 0


def number(value):
    return type(value) in (int, float) and value >= 0


def maybe(schema):
    """It, or null."""
    return lambda value: value is None or fits(value, schema, "") is None


def fits(value, schema, where):
    """What is wrong with it; None: nothing."""
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return f"{where} is no object: {value!r}"
        names = {name.rstrip("?"): name for name in schema}
        unknown = set(value) - set(names)
        missing = {name for name in schema if not name.endswith("?")} - set(value)
        if unknown or missing:
            return f"{where}: {sorted(unknown)} are new, {sorted(missing)} are missing"
        wrong = (fits(value[name], schema[names[name]], f"{where}.{name}") for name in value)
        return next(filter(None, wrong), None)
    if isinstance(schema, list):
        if not isinstance(value, list):
            return f"{where} is no array: {value!r}"
        wrong = (fits(each, schema[0], f"{where}[{i}]") for i, each in enumerate(value))
        return next(filter(None, wrong), None)
    if isinstance(schema, (type, tuple)):
        good = isinstance(value, schema)
    else:
        good = schema(value)
    return None if good else f"{where} is {value!r}"


def anything(_):
    return True


def one_of(*words):
    return lambda value: value in words


WHO = {"pid": count, "exe": maybe(str), "user": maybe(str), "gids?": [count]}
WHO.update({"sid": str, "integrity": count, "session": count} if ON_WINE else {"uid": count})
CLIENT = {
    "id": count,
    "name": str,
    "who": WHO,
    "hello": bool,
    "age_ms": count,
    "subs": count,
    "frames_in": count,
    "published": count,
    "delivered": count,
    "bytes_in": count,
    "bytes_out": count,
    "queued_bytes": count,
    "oldest_ms": maybe(count),
    "lost": count,
    "calls_open": count,
    "serving": count,
    "state": one_of("ok", "slow", "blocked", "leaving"),
    "held_ms": count,
    "held_by": maybe(count),
    "holds": count,
    "holding": count,
}
SUB = {
    "client": count,
    "name": str,
    "sid": count,
    "pattern": str,
    "kind": one_of("sub", "serve"),
    "form": one_of("plain", "rich"),
    "group": maybe(str),
    "policy": one_of("block", "cut", "drop"),
    "meta": bool,
    "accepted": count,
    "delivered": count,
    "queued": count,
    "merged": count,
    "lost": count,
    "in_flight": count,
}
TO = {"client": count, "name": str, "kind": str, "group": maybe(str), "lost": count}
SUBJECT = {
    "subject": str,
    "from": [{"client": count, "name": maybe(str), "messages": count}],
    "from_others": count,
    "to": [TO],
    "receivers": count,
}
SUBJECT.update(
    (name, count)
    for name in "published calls published_bytes deliveries no_receiver refused".split()
)
SERVICE = {
    "pattern": str,
    "client": count,
    "name": str,
    "exclusive": bool,
    "max_inflight": count,
    "doc": anything,
}
STATS = {
    "broker": str,
    "name": str,
    "scope": one_of("user", "system"),
    "path": str,
    "version": str,
    "pid": count,
    "handles_max": maybe(count),
    "times": [[count]],
    "time_p50_us": maybe(number),
    "time_p99_us": maybe(number),
}
STATS.update(
    (name, count)
    for name in "uptime_ms cpu_ns memory_bytes handles workers clients clients_ever clients_max"
    " denied subs slow held cut kicked frames_in bytes_in bytes_out queued_bytes queued_max_bytes"
    " published deliveries no_receiver refused lost calls answers late_answers calls_open notes"
    " errors taps missed".split()
)
EVENT = {
    "n": count,
    "ts": count,
    "event": str,
    "client?": count,
    "name?": maybe(str),
    "pid?": maybe(count),
    "exe?": maybe(str),
    "user?": maybe(str),
    "why?": maybe(str),
    "text?": maybe(str),
    "by?": maybe((str, int)),
}
EVENT.update(
    (name + "?", count)
    for name in "age_ms published delivered lost queued_bytes slow_ms count drain_ms".split()
)
RECORD = {
    "n": count,
    "ts": count,
    "kind": one_of("pub", "call", "answer", "error"),
    "subject": str,
    "from": count,
    "name": str,
    "pid": count,
    "size_bytes": count,
    "to": count,
    "refused": count,
    "receivers": [list],
    "params?": list,
    "result?": anything,
    "error?": anything,
    "body?": {"$bin": str},
    "whole": bool,
    "time_us?": maybe(number),
}
SHOWN_CLIENT = {
    **CLIENT,
    "holds_up": [{"client": count, "name": str}],
    "subscriptions": [SUB],
    "publishes": [{"subject": str, "messages": count}],
    "events": [EVENT],
}
SETTINGS = dict.fromkeys(
    "workers frame_max queue_high queue_low queue_hard read_ahead stall_ms stall_rate half_frame_ms"
    " half_frame_rate silent_ms subs calls_open connections connections_user call_deadline_ms"
    " drain_ms idle_exit_ms".split(),
    count,
)
SHOWN_BROKER = {**STATS, "settings": SETTINGS}
CHECK = {
    "check": str,
    "status": one_of("ok", "warn", "critical", "unknown"),
    "text": str,
    "unit": one_of("ms", "bytes", "clients"),
    "warn": maybe(number),
    "crit": maybe(number),
    "value?": number,
}
STATE = one_of("ok", "warn", "FAIL")
FOUND = {"check": str, "state": STATE, "found": str, "do": str, "lines?": [str]}
DOCTOR = {"state": STATE, "found": str, "do": str, "exit_code": count, "checks": [FOUND]}
ERROR = {"code": str, "exit": count, "text": str, "hint": maybe(str)}
BENCH = {"bench": str, "received": count}
BENCH.update((name, count) for name in "size_bytes? sent? lost? reordered?".split())
BENCH.update(
    (name, number)
    for name in "outstanding? clients? time_ms messages_per_s mb_per_s min_us? avg_us? p50_us?"
    " p90_us? p99_us? p999_us? max_us? own_cpu_per_message_ns broker_cpu_per_message_ns".split()
)


def check_schema(value, schema):
    wrong = fits(value, schema, "it")
    assert wrong is None, wrong


RATES = dict.fromkeys("in_per_s out_per_s bytes_in_per_s bytes_out_per_s".split(), number)
TOP = {
    "interval_ms": number,
    "stats": {
        **{name: schema for name, schema in STATS.items() if name != "times"},
        **RATES,
        "cpu_per_s": number,
        "p50_us": maybe(number),
        "p99_us": maybe(number),
    },
    "clients": [
        {**CLIENT, **RATES, "slow": bool, "blocked": bool, "held_by_name": maybe(str)},
    ],
    "subjects": [anything],
}
