return function(_) end -- with a parameter: what a task does not take is not decoded
