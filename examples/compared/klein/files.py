import os

from klein import route, run
from twisted.web.static import File


@route("/", branch=True)
def files(request):
    return File(os.environ["FOLDER"])


run("127.0.0.1", int(os.environ["PORT"]))
