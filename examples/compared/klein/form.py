import os
from html import escape

from klein import route, run


@route("/", methods=["GET"])
def form(request):
    return "<form method=post><input name=name></form>"


@route("/", methods=["POST"])
def greet(request):
    name = request.args.get(b"name")
    if name is None:
        request.setResponseCode(400)
        return "no name\n"
    return f"hello, {escape(name[0].decode())}"


run("127.0.0.1", int(os.environ["PORT"]))
