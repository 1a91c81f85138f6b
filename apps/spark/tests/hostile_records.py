"""Values of Kafka records that a reader of events may get wrong."""

from __future__ import annotations

import random

from apps.spark.tests.ingest_records import event_json

E = event_json

HOSTILE: dict[str, bytes | None] = {
    "canonical": E(1).encode(),
    "no context": E(1).replace(',"context":{"batch":"1"}', "").encode(),
    "null optional fields": E(1, value="null", session_id="null", transaction_id="null").encode(),
    "null context": E(1, context="null").encode(),
    "empty context": E(1, context="{}").encode(),
    "context of two": E(1, context='{"batch":"2","variant":"b"}').encode(),
    "context key twice": E(1, context='{"batch":"2","batch":"3"}').encode(),
    "context keys named like fields": E(1, context='{"a":"b","value":"x","session_id":"y","source":"z"}').encode(),
    "context value a number": E(1, context='{"batch":2}').encode(),
    "context value null": E(1, context='{"batch":null}').encode(),
    "context nested": E(1, context='{"batch":{"a":"b"}}').encode(),
    "context a list": E(1, context='["batch"]').encode(),
    "context with 32 keys": E(1, context="{" + ",".join(f'"{n}":"x"' for n in range(32)) + "}").encode(),
    "context with 33 keys": E(1, context="{" + ",".join(f'"{n}":"x"' for n in range(33)) + "}").encode(),
    "context value of 1024": E(1, context='{"a":"' + "é" * 1024 + '"}').encode(),
    "context value of 1025": E(1, context='{"a":"' + "é" * 1025 + '"}').encode(),
    "context key of 1025": E(1, context='{"' + "k" * 1025 + '":"a"}').encode(),
    "context with empty texts": E(1, context='{"":""}').encode(),
    "context with DEL": E(1, context='{"a":"\x7f"}').encode(),
    "batch no number": E(1, context='{"batch":"x"}').encode(),
    "value": event_json(1).replace(',"source"', ',"value":4.5,"source"').encode(),
    "value and ids": event_json(1)
    .replace(',"source"', ',"value":-0.25,"session_id":"s","transaction_id":"t","source"')
    .encode(),
    "session only": event_json(1).replace(',"source"', ',"session_id":"s","source"').encode(),
    "transaction only": event_json(1).replace(',"source"', ',"transaction_id":"t","source"').encode(),
    "value at the limit": E(1, value="1e12").encode(),
    "value over the limit": E(1, value="1000000000001").encode(),
    "value 999999999999.9": event_json(1).replace(',"source"', ',"value":999999999999.9,"source"').encode(),
    "value with leading zero": event_json(1).replace(',"source"', ',"value":01,"source"').encode(),
    "value with many digits": event_json(1).replace(',"source"', ',"value":0.12345678901234567,"source"').encode(),
    "value infinite": E(1, value="1e999").encode(),
    "value Infinity": E(1, value="Infinity").encode(),
    "value NaN": E(1, value="NaN").encode(),
    "value as text": E(1, value='"4.5"').encode(),
    "value as text infinite": E(1, value='"inf"').encode(),
    "value minus zero": E(1, value="-0.0").encode(),
    "value beyond 32 bits": E(1, value="0.1").encode(),
    "value a list": E(1, value="[1]").encode(),
    "value as word": E(1, value='"four"').encode(),
    "value true": E(1, value="true").encode(),
    "missing event_id": E(1).replace(f'"event_id":"{1:032x}",', "").encode(),
    "empty event_id": E(1, event_id='""').encode(),
    "null user": E(1, user_id="null").encode(),
    "integer user": E(1, user_id="17").encode(),
    "float user": E(1, user_id="1.5").encode(),
    "large integer user": E(1, user_id="123456789012345678901234567890").encode(),
    "integer user of 300 digits": E(1, user_id="1" * 300).encode(),
    "integer user of 5000 digits": E(1, user_id="1" * 5000).encode(),
    "integer ids": E(1, event_id="5", item_id="-7", source="0", session_id="1", transaction_id="2").encode(),
    "minus zero user": E(1, user_id="-0").encode(),
    "exponent user": E(1, user_id="1e3").encode(),
    "NaN user": E(1, user_id="NaN").encode(),
    "boolean user": E(1, user_id="true").encode(),
    "user a list": E(1, user_id='["1"]').encode(),
    "user of 256": E(1, user_id='"' + "ü" * 256 + '"').encode(),
    "user of 257": E(1, user_id='"' + "ü" * 257 + '"').encode(),
    "item with a line break": E(1, item_id=r'"a\nb"').encode(),
    "item with NUL": E(1, item_id=r'"a\u0000b"').encode(),
    "item with escaped DEL": E(1, item_id=r'"a\u007fb"').encode(),
    "item with escaped slash": E(1, item_id=r'"a\/b"').encode(),
    "item with escaped emoji": E(1, item_id=r'"\ud83d\uded2"').encode(),
    "item of 256 escaped": E(1, item_id='"' + r"\u00fc" * 256 + '"').encode(),
    "source with DEL": E(1, source='"a\x7f"').encode(),
    "session with a tab": E(1, session_id=r'"a\tb"').encode(),
    "empty session": E(1, session_id='""').encode(),
    "item with raw line break": E(1, item_id='"a\nb"').encode(),
    "item with DEL": E(1, item_id='"a\x7fb"').encode(),
    "item with C1 control": E(1, item_id='"a\x85b"').encode(),
    "item with escaped quote": E(1, item_id=r'"a\"b"').encode(),
    "item with escaped letter": E(1, item_id=r'"\u0061"').encode(),
    "item with lone surrogate": E(1, item_id=r'"\ud800"').encode(),
    "item with emoji": E(1, item_id='"🛒"').encode(),
    "item of blanks": E(1, item_id='"   "').encode(),
    "unknown action": E(1, action='"buy"').encode(),
    "action in capitals": E(1, action='"VIEW"').encode(),
    "action null": E(1, action="null").encode(),
    "unknown field": E(1, colour='"red"').encode(),
    "null source": E(1, source="null").encode(),
    "missing source": E(1).replace(',"source":"test"', "").encode(),
    "missing action": E(1).replace(',"action":"view"', "").encode(),
    "missing time": E(1).replace('"event_time":"2015-06-02T05:02:12.117Z",', "").encode(),
    "field twice, first wrong": E(1).replace('"user_id":"1"', '"user_id":null,"user_id":"9"').encode(),
    "field twice, last wrong": E(1).replace('"user_id":"1"', '"user_id":"9","user_id":null').encode(),
    "an error beside a whole event": E(1, error='"row 7"').encode(),
    "an empty error": E(1, error='""').encode(),
    "context with a key error": E(1, context='{"error":"none"}').encode(),
    "field twice": E(1).replace('"user_id":"1"', '"user_id":"1","user_id":"9"').encode(),
    "other order": ("{" + ",".join(reversed(E(1, context="null")[1:-1].split(","))) + "}").encode(),
    "white space": E(1).replace(",", " ,\n ").encode(),
    "trailing line break": E(1).encode() + b"\n",
    "trailing text": E(1).encode() + b"x",
    "two objects": (E(1) + E(2)).encode(),
    "byte order mark": b"\xef\xbb\xbf" + E(1).encode(),
    "time without zone": E(1, event_time='"2015-06-02T05:02:12.117"').encode(),
    "time with offset": E(1, event_time='"2015-06-02T05:02:12.117+02:00"').encode(),
    "time with blank": E(1, event_time='"2015-06-02 05:02:12Z"').encode(),
    "time in seconds": E(1, event_time="1433221332").encode(),
    "time in milliseconds": E(1, event_time="1433221332117").encode(),
    "time with microseconds": E(1, event_time='"2015-06-02T05:02:12.117999Z"').encode(),
    "time with microseconds that round up": E(1, event_time='"2015-06-02T05:02:12.1229996Z"').encode(),
    "time that rounds up to a minute": E(1, event_time='"2015-06-02T05:02:59.9999999Z"').encode(),
    "time in small letters": E(1, event_time='"2015-06-02t05:02:12.117z"').encode(),
    "time with a comma": E(1, event_time='"2015-06-02T05:02:12,117Z"').encode(),
    "time without seconds": E(1, event_time='"2015-06-02T05:02Z"').encode(),
    "time by its offset before 1970": E(1, event_time='"1970-01-01T00:30:00.000+01:00"').encode(),
    "time by its offset in 1970": E(1, event_time='"1969-12-31T23:30:00.000-01:00"').encode(),
    "time of the year 1 before it": E(1, event_time='"0001-01-01T00:00:00.000+05:00"').encode(),
    "time of the last year behind it": E(1, event_time='"9999-12-31T23:59:59.999-05:00"').encode(),
    "time empty": E(1, event_time='""').encode(),
    "time null": E(1, event_time="null").encode(),
    "half a millisecond over a day ahead": E(1, event_time='"2026-01-03T03:04:05.000500Z"').encode(),
    "time a date": E(1, event_time='"2015-06-02"').encode(),
    "30 February": E(1, event_time='"2015-02-30T05:02:12.117Z"').encode(),
    "29 February of a leap year": E(1, event_time='"2016-02-29T05:02:12.117Z"').encode(),
    "29 February of no leap year": E(1, event_time='"2015-02-29T05:02:12.117Z"').encode(),
    "31 April": E(1, event_time='"2015-04-31T05:02:12.117Z"').encode(),
    "24 o'clock": E(1, event_time='"2015-06-02T24:00:00.000Z"').encode(),
    "leap second": E(1, event_time='"2015-06-30T23:59:60.000Z"').encode(),
    "before 1970": E(1, event_time='"1969-12-31T23:59:59.999Z"').encode(),
    "1970": E(1, event_time='"1970-01-01T00:00:00.000Z"').encode(),
    "year 2999": E(1, event_time='"2999-01-01T00:00:00.000Z"').encode(),
    "a day ahead": E(1, event_time='"2026-01-03T03:04:05.000Z"').encode(),
    "a day and a millisecond ahead": E(1, event_time='"2026-01-03T03:04:05.001Z"').encode(),
    "not UTF-8": E(1).encode().replace(b'"test"', b'"te\xffst"'),
    "UTF-16": E(1).encode("utf-16"),
    "not JSON": b"{event_id: 1",
    "cut off": E(1).encode()[:-1],
    "empty": b"",
    "no value": None,
    "a list": b"[1,2]",
    "a text": b'"view"',
    "null": b"null",
    "deep": b"[" * 5000,
    "producer's error": b'{"event_id":"7","source":"file.csv","error":"row 7: timestamp is no number","raw":"x,1,2"}',
    "error no text": b'{"event_id":"7","error":5}',
}


def mutants() -> list[bytes]:
    """4000 events with one to three bytes changed, put in or taken out; the same ones each time."""
    draw = random.Random(20_260_122)
    originals = [
        event_json(3).encode(),
        HOSTILE["value and ids"] or b"",
        HOSTILE["context of two"] or b"",
        E(4, user_id='"é🛒"').encode(),
    ]
    alphabet = b'"\\{}[]:,.0123456789eE-+Zabz \n\x00\x7f\xc3\xa9\xff'
    found = []
    for _ in range(4000):
        text = bytearray(draw.choice(originals))
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            place = draw.randrange(len(text))
            match draw.randrange(3):
                case 0:
                    text[place] = draw.choice(alphabet)
                case 1:
                    text.insert(place, draw.choice(alphabet))
                case _:
                    del text[place]
        found.append(bytes(text))
    return found
