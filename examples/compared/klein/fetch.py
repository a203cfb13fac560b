import os

import treq
from twisted.internet import task
from twisted.internet.defer import DeferredSemaphore, ensureDeferred, gatherResults


async def main(reactor):
    slots = DeferredSemaphore(3)

    def fetch():
        return treq.get(os.environ["URL"]).addCallback(treq.text_content)

    pages = gatherResults([slots.run(fetch) for _ in range(10)])
    for page in await pages.addTimeout(30, reactor):
        print(len(page))


task.react(lambda reactor: ensureDeferred(main(reactor)))
