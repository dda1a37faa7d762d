-- expect: neap.sleep cannot be called while a file loads
require "neap".sleep(1)
