-- expect: task.lua:2: io.lines cannot be called while a file loads
for line in io.lines("/etc/passwd") do print(line) end
