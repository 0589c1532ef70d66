"""The chat of ../chat.ts in Python: a function without Sluice's SDK.

The gateway calls POST /call. POST /news sends news to everyone through the gateway's HTTP API.
"""

import json
import os
import traceback
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.request import Request, urlopen

from cloudevents.core.bindings.http import HTTPMessage, from_binary_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

# The gateway's upstream.secrets, separated by commas during a rotation.
SECRETS = [Webhook(secret) for secret in os.environ["SLUICE_SECRET"].split(",")]
BODY_BYTES_MAX = 4_194_304
ANSWERS_MAX = 10_000


class Refusal(Exception):
    """Refuses a client or an event. The gateway does not retry a refused call."""

    def __init__(self, message, data=None):
        super().__init__(message)
        self.body = {"message": message, "data": data}


# The chat itself: each handler returns an answer.


def connect(socket):
    auth = socket["handshake"]["auth"]
    name = auth.get("name") if isinstance(auth, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= 100:
        raise Refusal("tell us your name", {"field": "name"})
    return {"userId": name, "data": {"name": name, "said": 0}, "rooms": ["lobby"]}


def join(socket, room, *_):
    text_of(room, 100)
    return {
        "ack": [f"welcome to {room}"],
        "commands": [
            {"do": "socketsJoin", "in": [socket["id"]], "rooms": [room]},
            emit(room, socket, "joined", [room, socket["userId"]]),
        ],
    }


def message(socket, room, text, *_):
    text_of(room, 100)
    text_of(text, 1000)
    return {
        "ack": [{"delivered": True}],
        "commands": [
            emit(room, socket, "message", [room, socket["userId"], text]),
            {"do": "cancel", "key": typing_of(socket)},
        ],
        # A merge patch: the next call of this socket has it in socket["data"].
        "data": {"said": socket["data"]["said"] + 1},
    }


def typing(socket, room, *_):
    text_of(room, 100)
    args = [room, socket["userId"]]
    # A function has no timers, so the gateway emits this later, unless `cancel` comes first.
    # A new command with the same key replaces this one.
    later = {"afterMs": 5000, "key": typing_of(socket)}
    return {
        "commands": [
            {**emit(room, socket, "typing", args), "volatile": True},
            {**emit(room, socket, "paused", args), **later},
        ]
    }


def disconnect(socket):
    left = [socket["userId"], socket["data"]["said"]]
    return {"commands": [{"do": "emit", "to": ["lobby"], "event": "left", "args": left}]}


EVENTS = {"join": join, "message": message, "typing": typing}


def emit(room, socket, event, args):
    return {"do": "emit", "to": [room], "except": [socket["id"]], "event": event, "args": args}


def typing_of(socket):
    return f"typing:{socket['id']}"


def text_of(given, chars_max):
    if not isinstance(given, str) or given == "":
        raise Refusal("that is no text")
    if len(given) > chars_max:
        raise Refusal("that is too long")


def run(call):
    """Returns the answer to a call. Its kind is read from the body, which is signed."""
    socket = call["socket"]
    if "handshake" in socket:
        return connect(socket)
    if "reason" in call:
        return disconnect(socket)
    handler = EVENTS.get(call.get("event"))
    if handler:
        # Missing arguments become None, which the handlers refuse.
        return handler(socket, *call["args"], None, None)
    if call.get("ack"):
        raise Refusal(f"there is no handler for the event {call['event']}")
    return {}


# What Sluice's SDK does for functions in JavaScript: signatures, repeats, batches.

answers = OrderedDict()
lock = Lock()


def handle(call_id, call):
    """Returns status and answer. A repeated call gets the same answer again."""
    with lock:
        if call_id in answers:
            return answers[call_id]
    try:
        answer = 200, run(call)
    except Refusal as refusal:
        answer = (403 if "handshake" in call["socket"] else 422), refusal.body
    with lock:
        answers[call_id] = answer
        if len(answers) > ANSWERS_MAX:
            answers.popitem(last=False)
    return answer


def handle_batch(events):
    done, failed, stuck = [], [], set()
    for event in events:
        call_id, call = event.get_id(), event.get_data()
        socket = call["socket"]["namespace"], call["socket"]["id"]
        if socket in stuck:
            # Events of one socket stay in order: later ones wait for the one that failed.
            failed.append({"id": call_id, "retry": True})
            continue
        try:
            status, answer = handle(call_id, call)
        except Exception:
            traceback.print_exc()
            stuck.add(socket)
            failed.append({"id": call_id, "retry": True})
            continue
        if status == 200:
            done.append({"id": call_id, **answer})
        else:
            failed.append({"id": call_id, "retry": False})
    return 200, {"answers": done, "failed": failed}


def answer_to(headers, body):
    """Returns the status and the answer of a request."""
    if not any(is_signed(webhook, headers, body) for webhook in SECRETS):
        return 400, {"message": "the signature fits none of the secrets"}
    if headers.get("content-type", "").startswith("application/cloudevents-batch+json"):
        events = [JSONFormat().read(None, json.dumps(one)) for one in json.loads(body)]
        return handle_batch(events)
    event = from_binary_event(HTTPMessage(headers, body))  # also decodes percent-encoding
    if event.get_id() != headers["webhook-id"]:
        return 400, {"message": "ce-id is not the webhook-id"}
    print(event.get_type(), event.get_subject() or "", flush=True)
    return handle(event.get_id(), event.get_data())


def is_signed(webhook, headers, body):
    try:
        webhook.verify(body, headers, json_parse=False)
        return True
    except (WebhookVerificationError, ValueError):
        return False


def send_news(text):
    command = json.dumps({"event": "news", "args": [text]}).encode()
    key = {"Authorization": f"Bearer {os.environ['SLUICE_KEY']}", "Content-Type": "application/json"}
    urlopen(Request(f"{os.environ['SLUICE_URL']}/v1/emit", command, key), timeout=10).close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # One write for each answer.

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return self.answer(413, {"message": "the body is too large"})
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            if self.path == "/call":
                self.answer(*answer_to(headers, body))
            elif self.path == "/news":
                send_news(body.decode())
                self.answer(204)
            else:
                self.answer(404)
        except Exception:
            # The gateway retries the call unless a client waits for the answer.
            traceback.print_exc()
            self.answer(500, {"message": "the function failed"})

    def answer(self, status, body=None):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if text:
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    address = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", 8787))
    server = ThreadingHTTPServer(address, Handler)
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()
