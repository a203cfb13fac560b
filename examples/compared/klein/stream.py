import os

from klein import route, run
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer


@implementer(IPullProducer)
class Numbers:
    def __init__(self, request):
        self.request, self.numbers, self.done = request, iter(range(1, 100001)), Deferred()
        request.registerProducer(self, False)

    def resumeProducing(self):
        number = next(self.numbers, None)
        if number is None:
            self.request.unregisterProducer()
            self.done.callback(b"")
        else:
            self.request.write(f"{number}\n".encode())

    def stopProducing(self):
        self.numbers = iter(())


@route("/numbers")
def numbers(request):
    return Numbers(request).done


@route("/upper", methods=["POST"])
def upper(request):
    # It was received as a whole before.
    return request.content.read().upper()


run("127.0.0.1", int(os.environ["PORT"]))
