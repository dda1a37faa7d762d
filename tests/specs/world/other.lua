return function(args) return "other " .. args[1] end
