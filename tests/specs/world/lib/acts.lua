local neap = require "neap"
neap.sleep(1)
return function() end
