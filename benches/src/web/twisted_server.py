"""Twisted.web with the answers of the other web servers."""

import json

from twisted.internet import reactor
from twisted.web import resource, server

LARGE = b"x" * (1024 * 1024)
BODIES = {b"/64k": LARGE[: 64 * 1024], b"/1m": LARGE}


class Bodies(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        request.setHeader(b"content-type", b"application/octet-stream")
        return BODIES.get(request.path, b"Hello, World!")

    def render_POST(self, request):
        request.setHeader(b"content-type", b"application/json")
        order = json.load(request.content)
        return json.dumps(order, separators=(",", ":")).encode()


port = reactor.listenTCP(0, server.Site(Bodies()), interface="127.0.0.1")
print("ready", port.getHost().port, flush=True)
reactor.run()
