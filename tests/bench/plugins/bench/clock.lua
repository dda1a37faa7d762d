-- When it started, in nanoseconds of the monotonic clock.
local luv = require "luv"

return function() return luv.hrtime() end
