-- expect: task.lua:2: attempt to yield from outside a coroutine
coroutine.yield(1)
