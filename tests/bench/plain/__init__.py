"""The plain design, for comparison: what the documentation of Channels, Django and `ocpp` leads to in an afternoon.

A stock `AsyncWebsocketConsumer` behind uvicorn, the asynchronous ORM for reading, one transaction per message for
writing, payloads checked by the `ocpp` package, one message log row per message, one row per sample. It is written as
well as that design can be: persistent connections, no query too many, rows of a kind inserted together, uvloop and
httptools, and both writes of a message in one hop to a thread. What our gateway does beyond that (repeats, tariffs,
authorization rules, registers, ownership, back-pressure) it does not do: it has less work per message.
"""
