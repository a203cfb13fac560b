import os

from klein import route, run


@route("/")
def hello(request):
    return "hello\n"


run("127.0.0.1", int(os.environ["PORT"]))
