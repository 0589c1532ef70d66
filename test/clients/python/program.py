"""The program of python-socketio: `program.py [asyncio] [msgpack]`."""

import asyncio
import json
import os
import platform
import sys
import threading
import time
from importlib.metadata import version

import socketio

ROW_S = 10
UP = bytes(range(256))
DOWN = bytes(reversed(UP))
VALUES = ("tëxt 😀", 42, -0.5, True, None, {"list": [1, ["two"]], "deep": {"er": "x"}})

IS_ASYNC = "asyncio" in sys.argv
OPTIONS = {"serializer": "msgpack"} if "msgpack" in sys.argv else {}
LOOP = asyncio.new_event_loop()


class Client:
    """A client of either kind; `call` waits for what the client's method of that name returns."""

    def __init__(self):
        make = socketio.AsyncClient if IS_ASYNC else socketio.Client
        self.client = make(reconnection_delay=0.1, handle_sigint=False, **OPTIONS)
        self.events = {}

    def run(self, method, *args, **named):
        returned = getattr(self.client, method)(*args, **named)
        if not IS_ASYNC:
            return returned
        return asyncio.run_coroutine_threadsafe(returned, LOOP).result(ROW_S)

    def connect(self, transports=None, namespaces=("/",), auth=None):
        auth = {"token": os.environ["SLUICE_TOKEN"]} if auth is None else auth
        self.run(
            "connect",
            os.environ["SLUICE_URL"],
            transports=transports,
            namespaces=list(namespaces),
            auth=auth,
            wait_timeout=ROW_S,
        )
        return self

    def ask(self, event, *values, namespace="/"):
        """Returns the values of the ack, as a list."""
        data = values if values else None
        answer = self.run("call", event, data, namespace=namespace, timeout=ROW_S)
        if answer is None:
            return []
        return list(answer) if isinstance(answer, (tuple, list)) else [answer]

    def emit(self, event, *values):
        self.run("emit", event, values if values else None)

    def collect(self, event, namespace="/"):
        """Returns what will have arrived of an event."""
        arrived = Arrived(event)
        self.client.on(event, arrived.add, namespace=namespace)
        return arrived


class Arrived:
    """The values of an event that have arrived."""

    def __init__(self, event):
        self.event = event
        self.all = []
        self.condition = threading.Condition()

    def add(self, *values):
        with self.condition:
            self.all.append(list(values))
            self.condition.notify_all()

    def wait(self, count=1):
        with self.condition:
            if not self.condition.wait_for(lambda: len(self.all) >= count, ROW_S):
                raise TimeoutError(f"{self.event}: nothing within {ROW_S} s")
            return self.all[count - 1]


def same(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found!r}, not {wanted!r}")


def uses_transport(open_client, transport):
    client = open_client().connect(transports=[transport])
    same(client.ask("transport"), [transport, transport])


def upgrade(open_client):
    client = open_client().connect()
    end = time.monotonic() + ROW_S
    while True:
        first, now = client.ask("transport")
        same(first, "polling")
        if now == "websocket":
            return
        if time.monotonic() > end:
            raise TimeoutError(f"still {now}")


def refused(client, message, code=None, **options):
    namespace = options.get("namespaces", ("/",))[0]
    errors = client.collect("connect_error", namespace=namespace)
    try:
        client.connect(**options)
    except socketio.exceptions.ConnectionError:
        pass
    error = errors.wait()[0]
    same((error["message"], (error.get("data") or {}).get("code")), (message, code))


def auth(open_client):
    refused(open_client(), "A token is required", "AUTH_REQUIRED", auth={})
    wrong = {"token": "wrong"}
    refused(open_client(), "The token is not valid here", "AUTH_INVALID", auth=wrong)


def ack_to_server(open_client):
    same(open_client().connect().ask("echo", *VALUES), list(VALUES))


def ack_to_client(open_client):
    client = open_client()
    client.client.on("question", lambda value: {"answer": value})
    same(client.connect().ask("ask", "why?"), [{"answer": "why?"}])


def sends_bytes(client):
    (found,) = [client.ask("hex", UP, {"nested": {"list": [DOWN]}})]
    same(found, [UP.hex(), DOWN.hex()])


def receives_bytes(client):
    event = client.collect("bytes")
    acked = client.ask("bytes")
    for values in [event.wait(), acked]:
        same(values, [UP, {"nested": {"list": [DOWN]}}])


def binary_polling(open_client):
    client = open_client().connect(transports=["polling"])
    sends_bytes(client)
    receives_bytes(client)


def talks(open_client, payload):
    client = open_client()
    heard = client.collect("heard")
    client.connect().ask("join", "mixed")
    client.emit("say", "mixed", payload)
    heard.wait()
    # Were it told twice, the second one would be here before this answer.
    client.ask("echo")
    same(heard.all, [[payload]])


def namespace(open_client):
    client = open_client().connect(namespaces=["/", "/second"])
    same(client.ask("echo", "second", namespace="/second"), ["second"])
    same(client.ask("echo", "first"), ["first"])


def namespace_refused(open_client):
    refused(open_client(), "Nobody may enter", "CLOSED", namespaces=["/refused"])
    refused(open_client(), "Invalid namespace", namespaces=["/nowhere"])


def server_disconnect(open_client):
    client = open_client()
    gone = client.collect("disconnect")
    client.connect(transports=["websocket"])
    client.emit("leave-me")
    (reason,) = gone.wait()
    client.run("wait")
    client.connect(transports=["websocket"])
    same(client.ask("echo", 1), [1])
    return reason


def client_disconnect(open_client):
    client = open_client()
    gone = client.collect("disconnect")
    client.connect(transports=["websocket"])
    client.run("disconnect")
    return gone.wait()[0]


def comes_back(open_client, event):
    client = open_client()
    gone = client.collect("disconnect")
    connected = client.collect("connect")
    client.connect(transports=["websocket"])
    client.emit(event)
    (reason,) = gone.wait()
    connected.wait(2)
    same(client.ask("echo", 1), [1])
    return reason


ROWS = {
    "websocket": lambda open_client: uses_transport(open_client, "websocket"),
    "polling": lambda open_client: uses_transport(open_client, "polling"),
    "upgrade": upgrade,
    "auth": auth,
    "ack-to-server": ack_to_server,
    "ack-to-client": ack_to_client,
    "binary-to-server": lambda open_client: sends_bytes(open_client().connect()),
    "binary-to-client": lambda open_client: receives_bytes(open_client().connect()),
    "binary-polling": binary_polling,
    "rooms": lambda open_client: talks(
        open_client, {"text": "tëxt 😀", "number": 42, "list": [True, None, {"x": "y"}]}
    ),
    "rooms-binary": lambda open_client: talks(open_client, {"bytes": UP, "nested": [DOWN]}),
    "namespace": namespace,
    "namespace-refused": namespace_refused,
    "server-disconnect": server_disconnect,
    "client-disconnect": client_disconnect,
    "reconnect-after-close": lambda open_client: comes_back(open_client, "close-me"),
    "reconnect-after-cut": lambda open_client: comes_back(open_client, "cut-me"),
}


def say(line):
    print(json.dumps(line), flush=True)


def try_row(row, run):
    opened = []

    def open_client():
        opened.append(Client())
        return opened[-1]

    try:
        reason = run(open_client)
        say({"row": row, "result": "works", **({"reason": reason} if reason else {})})
    except Exception as error:
        say({"row": row, "result": "fails", "detail": f"{type(error).__name__}: {error}"})
    for client in opened:
        client.run("disconnect")


if __name__ == "__main__":
    threading.Thread(target=LOOP.run_forever, daemon=True).start()
    runtime = f"Python {platform.python_version()}"
    say({"client": "python-socketio", "version": version("python-socketio"), "runtime": runtime})
    for name, row in ROWS.items():
        try_row(name, row)
    # Not later: a client that reconnects has threads which outlive it.
    sys.stdout.flush()
    os._exit(0)
