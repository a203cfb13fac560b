import os

from klein import route, run
from twisted.internet import reactor
from twisted.internet.task import deferLater


@route("/tea/<int:seconds>")
def tea(request, seconds):
    tea = deferLater(reactor, seconds, lambda: "your tea\n")

    def gone(failure):
        print("the tea is not needed", flush=True)
        tea.cancel()

    request.notifyFinish().addErrback(gone)
    return tea


run("127.0.0.1", int(os.environ["PORT"]))
