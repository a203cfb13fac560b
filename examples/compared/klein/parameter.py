import os

from klein import route, run


@route("/hello/<name>")
def hello(request, name):
    return f"hello, {name}\n"


run("127.0.0.1", int(os.environ["PORT"]))
