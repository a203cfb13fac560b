import os
from urllib.parse import urlsplit

from klein import route, run
from twisted.web.proxy import ReverseProxyResource


@route("/", branch=True)
def proxy(request):
    upstream = urlsplit(os.environ["UPSTREAM"])
    return ReverseProxyResource(upstream.hostname, upstream.port, b"")


run("127.0.0.1", int(os.environ["PORT"]))
