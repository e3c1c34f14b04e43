"""A web server on loopback whose answers a test writes itself."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """`routes`: path -> bytes, or a function of the handler. `seen`: (method, path, headers) of every request."""

    def __init__(self):
        self.routes = {}
        self.seen = []
        self.url = ""

    def paths(self):
        return [path for _, path, _ in self.seen]


def reply(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    if "Content_Length" not in headers:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def redirect(to):
    return lambda handler: reply(handler, 302, Location=to)


@contextmanager
def running(context=None):
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.seen.append((self.command, self.path, dict(self.headers.items())))
            answer = web.routes.get(self.path.partition("?")[0])
            if callable(answer):
                answer(self)
            elif answer is None:
                reply(self, 404)
            else:
                reply(self, 200, answer, ETag='"1"')

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
