-- luv.lua JOBS integer|table: as many no-op jobs through luv's thread pool (UV_THREADPOOL_SIZE). It
-- passes scalars only, so what is a table elsewhere is two arguments here.
local luv = require "luv"

local jobs, kind = tonumber(arg[1]), arg[2]
local done = 0
local work = luv.new_work(function() end, function() done = done + 1 end)
for i = 1, jobs do
  if kind == "integer" then work:queue(i) else work:queue(i, "render") end
end
luv.run()
assert(done == jobs)
