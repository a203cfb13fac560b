import os
from json import dumps, load

from klein import route, run


@route("/orders", methods=["POST"])
def orders(request):
    try:
        order = load(request.content)
        item, count = str(order["item"]), int(order["count"])
    except (KeyError, TypeError, ValueError):
        request.setResponseCode(400)
        return "no order\n"
    request.setHeader("content-type", "application/json")
    return dumps({"item": item, "total": count * 30}, ensure_ascii=False)


run("127.0.0.1", int(os.environ["PORT"]))
