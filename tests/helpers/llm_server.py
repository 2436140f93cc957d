"""A local OpenAI-compatible chat server for tests, whose answers and failures follow a script.

    with LLMServer() as server:
        server.base_url           # http://127.0.0.1:PORT/v1
        server.script(status(429, retry_after=0.2), cut(), "an answer")   # the next requests; then `server.answer`
        server.requests           # request bodies in order of arrival

A turn of the script is a text (the content of the answer) or a `Turn`; `server.answer` returns one for a request (the
parsed JSON body), and is `describe` by default, which writes distinct descriptions and questions.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Turn:
    """One response: `content` is the model's text; `body` replaces the whole response; `cut` ends it halfway."""

    content: str = ""
    status: int = 200
    headers: dict = field(default_factory=dict)
    late_s: float = 0.0
    body: bytes | None = None
    cut: bool = False
    usage: dict | None = field(default_factory=lambda: {"prompt_tokens": 100, "completion_tokens": 50})
    finish_reason: str = "stop"


def status(code, *, retry_after=None, message="no", kind=None):
    """An error with an OpenAI-like body."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    error = {"error": {"message": message, "type": "test", "code": kind}}
    return Turn(status=code, headers=headers, body=json.dumps(error).encode())


def late(seconds, content="late"):
    return Turn(content, late_s=seconds)


def cut(content="x" * 200):
    """The connection closes in the middle of the body."""
    return Turn(content, cut=True)


def garbled():
    """Status 200 and a body that is not JSON."""
    return Turn(body=b'{"choices": [{"mess')


def silence(seconds=30.0):
    """No answer for longer than any test's timeout."""
    return Turn(late_s=seconds, cut=True)


def refusal(_request=None):
    return "I'm sorry, but I can't help with that request."


def german(_request=None):
    return descriptions(
        "Das Fell der Katze ist weich und glatt, und die Ohren sind spitz.",
        "Der Hund ist ein Tier mit einer langen Schnauze und einem Schwanz.",
    )


def descriptions(*texts):
    """Descriptions as the JSON that models are asked for."""
    return json.dumps({"descriptions": list(texts)})


_WORDS = {
    "adjective": "amber|broad|coarse|dented|faint|glossy|hollow|ivory|jagged|lean|oval|pale|quiet|ragged|silver|"
    "tapered|uneven|velvet|warm|yellow|ancient|brittle|crimson|dusty|elastic|frosted|grainy|heavy|icy|knotted",
    "noun": "rim|flank|seam|shell|handle|crest|groove|stem|panel|spout|collar|bulb|hinge|fringe|ridge|lattice|buckle|"
    "nozzle|cushion|thread|wheel|mirror|feather|button|chimney|wire|pocket|blade|curtain|arch",
    "act": "trembles|glows|rattles|cools|drips|folds|leans|spins|hums|fades|swells|creaks|shimmers|bends|slides|snaps",
    "place": "in the rain|under a lamp|at the harbour|beside the road|on a wooden table|near the window|after midnight|"
    "in deep snow|behind the barn|among tall grass|over the sea|in the kitchen|on the stairs|inside a tent|at noon",
}
_CHOICES = {kind: words.split("|") for kind, words in _WORDS.items()}
_FORMS = (
    "The {about} has a {a} {n} and a {b} {m} that {v} {p}, with {number} small marks.",
    "{P}, the {n} of the {about} {v} while its {a} {m} stays {b}; number {number}.",
    "Its {a} {n} {v} whenever the {b} {m} of the {about} is touched {p}, {number} times.",
    "People know the {about} by the {m}, which is {a} and {v} {p} at {number} on the scale.",
    "Seen from afar the {about} is a {b} spot of {number} units, and the {n} {v} {p}.",
    "A {a} {m}, not the {n}, makes the {about} number {number} so {b}: it {v} {p}.",
)


def sentence(seed, about="thing"):
    """An English sentence about a category, determined by the seed; seeds below 10**8 give distinct ones."""
    dice = random.Random(seed)
    a, b = dice.sample(_CHOICES["adjective"], 2)
    n, m = dice.sample(_CHOICES["noun"], 2)
    v, p = dice.choice(_CHOICES["act"]), dice.choice(_CHOICES["place"])
    number = int(hashlib.sha256(str(seed).encode()).hexdigest()[:8], 16)
    form = dice.choice(_FORMS)
    return form.format(about=about, a=a, b=b, n=n, m=m, v=v, p=p, P=p[0].upper() + p[1:], number=number)


_lock = threading.Lock()
_count = 0


def describe(request):
    """Distinct descriptions, or questions if the schema asks for them; the prompt's last number is their count."""
    global _count
    prompt = request["messages"][-1]["content"]
    wanted = int((["5", *re.findall(r"\b\d+\b", prompt)])[-1])
    with _lock:
        start, _count = _count, _count + wanted
    schema = json.dumps(request.get("response_format", {}))
    if '"questions"' in schema or "questions" in prompt.split("{")[-1]:
        return json.dumps(
            {
                "questions": [
                    {
                        "aspect": "looks",
                        "question": f"What of part {start + i}, how does it look, sound or move, and where is it?",
                    }
                    for i in range(wanted)
                ]
            }
        )
    about = prompt.split('"')[1] if '"' in prompt else "thing"
    return descriptions(*(sentence(start + i, about) for i in range(wanted)))


class LLMServer:
    """The server; runs in threads of this process while the `with` block is open."""

    def __init__(self, answer=describe, *, token=None):
        self.answer = answer
        self.token = token  # if set, requests without this key get a 401
        self.requests = []  # bodies
        self.keys = []  # Authorization headers
        self.times = []  # monotonic arrival times
        self.delivered = []  # bodies whose response was sent completely
        self.max_in_flight = 0
        self._in_flight = 0
        self._script = deque()
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def script(self, *turns):
        """Set the responses to the next requests, in order of arrival."""
        self._script.extend(turns)

    def __enter__(self):
        owner = self

        class Handler(_Handler):
            server_of_tests = owner

        self._http = _Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def take(self, body, key):
        """Record a request and choose its response."""
        with self._lock:
            self.requests.append(body)
            self.keys.append(key)
            self.times.append(time.monotonic())
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
            turn = self._script.popleft() if self._script else None
        if self.token is not None and key != f"Bearer {self.token}":
            return status(401, message=f"Incorrect API key provided: {key}")
        if turn is None:
            turn = self.answer(body)
        elif callable(turn):
            turn = turn(body)
        return Turn(turn) if isinstance(turn, str) else turn

    def done(self, body, whole):
        with self._lock:
            self._in_flight -= 1
            if whole:
                self.delivered.append(body)

    def wait(self, seconds):
        self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Ignore dropped connections: tests kill clients on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_tests: LLMServer
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server_of_tests
        turn = server.take(body, self.headers.get("Authorization"))
        whole = False
        try:
            if turn.late_s:
                server.wait(turn.late_s)
            self._respond(turn, body)
            whole = turn.status == 200 and not turn.cut
        finally:
            server.done(body, whole)

    def _respond(self, turn, request):
        data = turn.body if turn.body is not None else _completion(turn, request)
        self.send_response(turn.status)
        for name, value in {"Content-Type": "application/json", **turn.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if turn.cut else data)
        self.wfile.flush()
        if turn.cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


def _completion(turn, request):
    message = {"role": "assistant", "content": turn.content}
    answer = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": turn.finish_reason}],
    }
    if turn.usage is not None:
        answer["usage"] = turn.usage | {"total_tokens": sum(turn.usage.values())}
    return json.dumps(answer).encode()
