-- neap run examples/hello.lua '{"name": "Ada"}'
return {
  summary = "Say hello",
  args = { name = { "string", default = "world", help = "whom to greet" } },
  run = function(args)
    return "Hello, " .. args.name .. "!"
  end,
}
