-- fib.lua TIMES: what a job of bench.fib does, without neap.
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end

for _ = 1, tonumber(arg[1]) do fib(20) end
