-- Puts its successor at the end of the line, so that a backlog stays as long as it is.
local neap = require "neap"

return function(rounds)
  if rounds > 0 then neap.submit("bench.relay", rounds - 1) end
end
