local neap = require "neap"

return function(ms) neap.sleep(ms / 1000) end
