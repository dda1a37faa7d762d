-- expect: attempt to load a binary chunk
return assert(load("\27Lua"))
