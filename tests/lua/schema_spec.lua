local core = dofile("scripts/neap/test/plain.lua")
local schema = assert(loadfile("scripts/schema.lua"))(core)
local null, array = core.null, core.array

local function compiled(spec, where)
  local check, errors = schema.compile(spec, where or "args")
  assert(check, errors and table.concat(errors, "\n"))
  return check
end

local function shared_tables(depth)
  local t = { "object", fields = {} }
  for _ = 1, depth do
    t = { "object", fields = { inner = t } }
  end
  return t
end

describe("schema.compile", function()
  local endless = {}
  endless.again = endless
  local endless_spec = { "object" }
  endless_spec.fields = { again = endless_spec }

  local good = {
    single = "string", optional = "integer?", none = {},
    fields = { user = "integer", day = { "string", max_length = 10, help = "YYYY-MM-DD" } },
    enum = { "string", enum = { "html", "pdf" }, default = "html" },
    bounds = { "number", min = -1.5, max = 2 }, same_bounds = { "integer", min = 1, max = 1 },
    pattern = { "string", pattern = "^%d%d%-[]^%]x]+(%a*)%1$" },
    frontier = { "string", pattern = "%f[%w]%b()x-$" },
    items = { "array", items = { "object", fields = { a = "any?" } }, max_length = 3 },
    duration = { "duration", default = "1h30m", min = 1, max = "2h" },
    size = { x = { "size", default = "16M", max = "1G" } },
    default_table = { x = { "table", default = { a = { 1, 2 } } } },
    default_null = { x = { "any", default = null } },
    named_type = { type = "string", fields = "integer", items = "any" },
    deep = shared_tables(30),
  }
  for name, spec in pairs(good) do
    it("takes " .. name, function()
      local check, errors = schema.compile(spec, "args")
      assert.is_nil(errors)
      assert.is_function(check)
    end)
  end

  local bad = {
    { { day = { "string", max_lenght = 10 } },
      "args.day: unknown key 'max_lenght' (did you mean 'max_length'?)" },
    { "strin", "args: unknown type 'strin' (did you mean 'string'?)" },
    { { a = "function" }, "args.a: unknown type 'function'" },
    { { a = "?" }, "args.a: unknown type ''" },
    { { a = "string??" }, "args.a: unknown type 'string?' (did you mean 'string'?)" },
    { { a = { "string", "integer" } }, "args.a: unknown key [2]" },
    { { a = { type = "string", max_length = 1 } },
      'args.a: the type comes first, without a name: { "string", ... }' },
    { { a = { b = "string" } },
      'args.a: a descriptor starts with its type, such as { "string" };'
      .. ' nested fields are { "object", fields = { ... } }' },
    { { a = 7 }, "args.a: must be a type or a descriptor, not an integer" },
    { { a = print }, "args.a: must be a type or a descriptor, not a function" },
    { nil, "args: must be a type or a descriptor, not nothing" },
    { { { "string" } }, "args[1]: a field needs a name" },
    { { [""] = "string" }, "args.: a field needs a name" },
    { { "string", min = 1 }, "args: 'min' does not fit the type 'string'" },
    { { "boolean", enum = { true } }, "args: 'enum' does not fit the type 'boolean'" },
    { { "table", fields = {} }, "args: 'fields' does not fit the type 'table'" },
    { { "string", items = "string" }, "args: 'items' does not fit the type 'string'" },
    { { "object" }, "args: an object needs 'fields', a table (any object: \"table\")" },
    { { "string", optional = 1 }, "args.optional: must be true or false, not an integer" },
    { { "string", help = {} }, "args.help: must be a string, not an object" },
    { { "string", max_length = -1 }, "args.max_length: must be an integer of 0 or more" },
    { { "string", max_length = "10" }, "args.max_length: must be an integer of 0 or more" },
    { { "string", min_length = 3, max_length = 2 }, "args: 'min_length' is above 'max_length'" },
    { { "integer", min = 3, max = 2 }, "args: 'min' is above 'max'" },
    { { "integer", min = 1.5 }, "args.min: must be an integer, not a number" },
    { { "number", max = 0 / 0 }, "args.max: must be a number, not a number" },
    { { "duration", min = "soon" }, "args.min: must be a duration (seconds, or such as '250ms'"
      .. " or '1h30m'), not a string" },
    { { "duration", min = "2h", max = "90m" }, "args: 'min' is above 'max'" },
    { { "string", pattern = 1 }, "args.pattern: must be a Lua pattern, not an integer" },
    { { "string", pattern = "a%" }, "args.pattern: the pattern ends in '%'" },
    { { "string", pattern = "%d[a-" }, "args.pattern: the pattern misses a ']'" },
    { { "string", pattern = "x(y" }, "args.pattern: the pattern misses a ')'" },
    { { "string", pattern = "x)y" }, "args.pattern: the pattern has a ')' too many" },
    { { "string", pattern = "x%bz" },
      "args.pattern: the pattern misses the two characters of '%b'" },
    { { "string", pattern = "x%fz" }, "args.pattern: the pattern misses the '[' after '%f'" },
    { { "string", pattern = "x%1" },
      "args.pattern: the pattern refers to a capture that is not complete" },
    { { "string", pattern = ("()"):rep(33) },
      "args.pattern: the pattern has more than 32 captures" },
    { { "string", enum = {} }, "args.enum: must be a list of values" },
    { { "string", enum = { a = 1 } }, "args.enum: must be a list of values" },
    { { "string", enum = { "a", 1 } }, "args.enum: item 2 must be a string, not an integer" },
    { { "array", items = "string?" },
      "args.items: an item cannot be optional or have a default" },
    { { "array", items = { "strin" } },
      "args.items: unknown type 'strin' (did you mean 'string'?)" },
    { { a = { "integer", default = "1" } },
      "args.a.default: must be an integer, not a string" },
    { { a = { "string", enum = { "html" }, default = "htm" } },
      "args.a.default: must be one of html (did you mean 'html'?)" },
    { { a = { "object", fields = { b = "string" }, default = {} } },
      "args.a.default.b: missing (a string)" },
    { { a = { "any", default = print } }, "args.a.default: holds a function" },
    { { a = { "table", default = { b = { print } } } }, "args.a.default: holds a function" },
    { { a = { "table", default = { [true] = 1 } } },
      "args.a.default: has a key that is a boolean" },
    { { a = { "table", default = endless } },
      "args.a.default: is nested too deep or refers to itself" },
    { endless_spec, "args" .. (".again"):rep(33) .. ": nested too deep" },
  }
  for _, case in ipairs(bad) do
    it("refuses: " .. case[2], function()
      local check, errors = schema.compile(case[1], "args")
      assert.is_nil(check)
      assert.same({ case[2] }, errors)
    end)
  end

  it("lists all mistakes, in the order of the names", function()
    local _, errors = schema.compile({ b = "x1", a = { "string", foo = 1, min = 2 } }, "config")
    assert.same({
      "config.a: unknown key 'foo'", "config.a: 'min' does not fit the type 'string'",
      "config.b: unknown type 'x1'",
    }, errors)
  end)

  it("finds every malformed pattern that Lua finds", function()
    local parts = { "%", "[", "]", "(", ")", "^", "a", "-", "b", "f", "1", "2", "." }
    local subjects = { "", "a", "(a)", "a[b]", "1a-^b", "[[", "%a.", "ab12" }
    math.randomseed(42)
    for _ = 1, 20000 do
      local pattern = {}
      for i = 1, math.random(1, 7) do
        pattern[i] = parts[math.random(#parts)]
      end
      pattern = table.concat(pattern)
      if schema.compile({ "string", pattern = pattern }, "args") then
        for _, subject in ipairs(subjects) do
          local ok, why = pcall(string.find, subject, pattern)
          assert(ok, pattern .. " on " .. subject .. ": " .. tostring(why))
        end
      end
    end
  end)
end)

describe("a check", function()
  local report = {
    user = "integer",
    day = { "string", max_length = 10 },
    format = { "string", enum = { "html", "pdf" }, default = "html" },
    note = "string?",
  }

  local good = {
    { "string", "x" }, { "string", "" }, { "any", "x" }, { "any", null }, { "any", false },
    { "integer", math.mininteger }, { "number", 1 }, { "number", -0.5 }, { "number", 1 / 0 },
    { "boolean", false }, { "table", {} }, { "table", array {} }, { "table", { 1, 2 } },
    { "string?", "x" }, { { "string", pattern = "^%d+$" }, "12" },
    { { "string", min_length = 2, max_length = 2 }, "ab" },
    { { "string", enum = { "a", "b" } }, "b" }, { { "integer", enum = { 1, 2 } }, 2 },
    { { "integer", min = 1, max = 3 }, 3 }, { { "number", min = 0.5 }, 1 / 0 },
    { "array", {} }, { "array", array {} }, { "array", { 1, "a", null } },
    { { "array", items = "string", min_length = 1 }, { "a", "b" } },
    { { "object", fields = { a = "string" } }, { a = "x" } },
    { "duration", 5 }, { "duration", 0.25 }, { "size", 10 },
  }
  for i, case in ipairs(good) do
    it("returns good value " .. i .. " as it is", function()
      local value, message = compiled(case[1])(case[2])
      assert.is_nil(message)
      assert(rawequal(case[2], value))
    end)
  end

  local bad = {
    { "string", 1, "args: must be a string, not an integer" },
    { "string", null, "args: must be a string, not null" },
    { "string", nil, "args: missing (a string)" },
    { "string?", {}, "args: must be a string, not an object" },
    { "integer", "1", "args: must be an integer, not a string" },
    { "integer", 1.5, "args: must be an integer, not a number" },
    { "integer", 2^63, "args: must be an integer, not a number" },
    { "integer", 0 / 0, "args: must be an integer, not a number" },
    { "number", true, "args: must be a number, not a boolean" },
    { "boolean", "yes", "args: must be true or false, not a string" },
    { "table", "x", "args: must be an object or array, not a string" },
    { "array", { a = 1 }, "args: must be an array, not an object" },
    { "array", { [2] = 1 }, "args: must be an array, not an object" },
    { "array", { 1, 2, x = 3 }, "args: must be an array, not an object" },
    { "duration", "soon", "args: must be a duration (seconds, or such as '250ms' or '1h30m'),"
      .. " not a string" },
    { "duration", -1, "args: must be a duration (seconds, or such as '250ms' or '1h30m'),"
      .. " not an integer" },
    { "size", "16Q", "args: must be a size (bytes, or such as '64K' or '16M'), not a string" },
    { { "integer", min = 1 }, 0, "args: must be at least 1" },
    { { "integer", max = 1 }, 2, "args: must be at most 1" },
    { { "number", max = 1 }, 0 / 0, "args: must be at most 1" },
    { { "duration", max = "1m" }, 61, "args: must be at most 1m" },
    { { "string", min_length = 2 }, "a", "args: must have at least 2 bytes, has 1" },
    { { "string", max_length = 2 }, "abc", "args: must have at most 2 bytes, has 3" },
    { { "array", max_length = 1 }, { 1, 2 }, "args: must have at most 1 items, has 2" },
    { { "string", pattern = "^%d+$" }, "x", "args: does not match the pattern '^%d+$'" },
    { { "string", enum = { "html", "pdf" } }, "pfd",
      "args: must be one of html, pdf (did you mean 'pdf'?)" },
    { { "integer", enum = { 1, 2 } }, 3, "args: must be one of 1, 2" },
    { { "array", items = "string" }, { "a", 1, "b", {} },
      "args[2]: must be a string, not an integer; args[4]: must be a string, not an object" },
    { { a = { "array", items = { "object", fields = { n = "integer" } } } },
      { a = { { n = 1 }, { n = "2" }, {} } },
      "args.a[2].n: must be an integer, not a string; args.a[3].n: missing (an integer)" },
    { {}, { x = 1 }, "args.x: unknown field (there are none)" },
    { {}, { 1 }, "args[1]: unknown field (there are none)" },
    { {}, "text", "args: must be an object, not a string" },
    { {}, array {}, "args: must be an object, not an array" },
    { report, nil, "args.day: missing (a string); args.user: missing (an integer)" },
    { report, { user = "7", day = "2026-01-01T00", formt = "pdf" },
      "args.day: must have at most 10 bytes, has 13; args.user: must be an integer, not a string; "
      .. "args.formt: unknown field (did you mean 'format'?)" },
    { { o = { "object", fields = { i = "integer" } } }, { o = { j = 1 } },
      "args.o.i: missing (an integer); args.o.j: unknown field" },
  }
  for i, case in ipairs(bad) do
    it("refuses bad value " .. i .. ": " .. case[3], function()
      local value, message = compiled(case[1])(case[2])
      assert.is_nil(value)
      assert.equal(case[3], message)
    end)
  end

  it("names the place it is given", function()
    local _, message = compiled({ api = "string" }, "config")({ api = 1 })
    assert.equal("config.api: must be a string, not an integer", message)
    _, message = compiled({ api = "string" })({ api = 1 }, "config")
    assert.equal("config.api: must be a string, not an integer", message)
  end)

  it("fills defaults into a copy and leaves the given table alone", function()
    local given = { user = 1, day = "x" }
    local value = compiled(report)(given)
    assert.same({ user = 1, day = "x", format = "html" }, value)
    assert.same({ user = 1, day = "x" }, given)
  end)

  it("gives each job a default table of its own", function()
    local check = compiled { list = { "array", default = { { 1 } } } }
    local first = check {}
    first.list[1][1] = 2
    assert.same({ list = { { 1 } } }, check {})
  end)

  it("does not keep the table that the file gave as a default", function()
    local default = { 1 }
    local check = compiled { list = { "array", default = default } }
    default[1] = 2
    assert.same({ 1 }, check({}).list)
  end)

  it("fills defaults in nested objects and in arrays of them", function()
    local inner = { "object", fields = { n = { "integer", default = 7 } } }
    local given = { one = {}, list = array { {}, { n = 1 } } }
    local value = compiled { one = inner, list = { "array", items = inner } }(given)
    assert.same({ one = { n = 7 }, list = { { n = 7 }, { n = 1 } } }, value)
    assert.equal("neap.array", getmetatable(value.list))
    assert.same({ one = {}, list = { {}, { n = 1 } } }, given)
  end)

  it("turns whole floats into integers, also where nothing else changes", function()
    local value = compiled { n = "integer" } { n = 3.0 }
    assert.equal("integer", math.type(value.n))
    assert.equal("integer", math.type((compiled "integer"(3.0))))
    assert.equal("integer", math.type(compiled { "array", items = "integer" } { 1.0 }[1]))
  end)

  it("takes null for an absent field where it may be absent", function()
    local check = compiled { a = "string?", b = { "integer", default = 5 }, c = "any" }
    assert.same({ b = 5, c = null }, check { a = null, b = null, c = null })
    local _, message = check { c = 1, b = {} }
    assert.equal("args.b: must be an integer, not an object", message)
    _, message = compiled { a = "string" } { a = null }
    assert.equal("args.a: must be a string, not null", message)
  end)

  it("keeps false, given or by default", function()
    local check = compiled { a = "boolean", b = { "boolean", default = false } }
    assert.same({ a = false, b = false }, check { a = false })
  end)

  it("reads durations as seconds and sizes as bytes", function()
    local check = compiled {
      age = { "duration", default = "1m" }, max = { "size", default = "1K" },
    }
    assert.same({ age = 60, max = 1024 }, check {})
    assert.same({ age = 5400, max = 16777216 }, check { age = "1h30m", max = "16M" })
    local value = check { age = "250ms", max = 10.0 }
    assert.equal(0.25, value.age)
    assert.equal("integer", math.type(value.max))
    assert.equal("integer", math.type(check({ age = 2.0 }).age))
  end)

  it("takes absent arguments for no fields, and for an optional single value", function()
    assert.same({}, compiled {} (nil))
    assert.same({}, compiled {} (null))
    local value, message = compiled "string?"(nil)
    assert.is_nil(value)
    assert.is_nil(message)
    assert.is_nil((compiled "string?"(null)))
    assert.equal("x", (compiled { "string", default = "x" } (nil)))
  end)

  it("never quotes a value and keeps messages short", function()
    local check = compiled { a = "integer", b = { "string", enum = { "x" } } }
    local _, message = check { a = "secret", b = "secret" }
    assert.is_nil(message:find("secret"))
    local many = {}
    for i = 1, 1000 do
      many["k" .. i] = 1
    end
    many[("long"):rep(1000)] = 1
    many["\27[31m\n"] = 1
    _, message = check(many)
    assert(#message < 1000, message)
    assert.equal("and more", message:match("; ([^;]*)$"))
    assert.is_nil(message:find("%c"))
  end)

  it("makes no table where a value is good as it is", function()
    local check = compiled(report)
    local given = { user = 1, day = "x", format = "pdf" }
    check(given)
    collectgarbage("collect")
    collectgarbage("stop")
    local before = collectgarbage("count")
    for _ = 1, 1000 do
      check(given)
    end
    local used = collectgarbage("count") - before
    collectgarbage("restart")
    assert(used < 1, used .. " KiB")
  end)
end)

describe("schema.convert", function()
  local check = compiled({
    from = "string", port = "integer", ratio = "number?", tls = "boolean?",
    wait = "duration?", limit = "size?", to = "array?",
    ports = { "array", items = "integer", optional = true },
    smtp = { "object?", fields = { host = "string", port = { "integer", default = 25 } } },
  }, "config")

  local function read(texts)
    texts.from, texts.port = texts.from or "me", texts.port or "1"
    return check(schema.convert(check, texts))
  end

  it("reads each type", function()
    local value, message = read {
      port = "8080", ratio = "0.5", tls = "yes", wait = "1m", limit = "64K", to = " a, b ,c",
      ports = "1, 2", ["smtp.host"] = "mx",
    }
    assert.is_nil(message)
    assert.same({
      from = "me", port = 8080, ratio = 0.5, tls = true, wait = 60, limit = 65536,
      to = { "a", "b", "c" }, ports = { 1, 2 }, smtp = { host = "mx", port = 25 },
    }, value)
    assert.equal("neap.array", getmetatable(value.to))
  end)

  for text, value in pairs { yes = true, ["true"] = true, on = true, ON = true,
                             no = false, ["false"] = false, off = false } do
    it("reads " .. text .. " as a boolean", function()
      assert.equal(value, read({ tls = text }).tls)
    end)
  end

  it("reads an empty list", function()
    assert.same({}, read({ to = "" }).to)
  end)

  it("keeps a string that looks like a number a string", function()
    assert.equal("12", read({ from = "12" }).from)
  end)

  local bad = {
    { { port = "x" }, "config.port: must be an integer, not a string" },
    { { port = "1.5" }, "config.port: must be an integer, not a string" },
    { { port = "0x10" }, "config.port: must be an integer, not a string" },
    { { port = "99999999999999999999" }, "config.port: must be an integer, not a string" },
    { { ratio = "0x10" }, "config.ratio: must be a number, not a string" },
    { { ratio = "1e999" }, "config.ratio: must be a number, not a string" },
    { { tls = "ja" }, "config.tls: must be true or false, not a string" },
    { { ports = "1,x" }, "config.ports[2]: must be an integer, not a string" },
    { { prot = "1" }, "config.prot: unknown field (did you mean 'port'?)" },
    { { ["smtp.hots"] = "a" }, "config.smtp.host: missing (a string);"
      .. " config.smtp.hots: unknown field (did you mean 'host'?)" },
    { { ["from.x"] = "1" }, "config.from.x: unknown field (did you mean 'from'?)" },
    { { smtp = "mx" }, "config.smtp: must be an object, not a string" },
  }
  for _, case in ipairs(bad) do
    it("leaves to the check: " .. case[2], function()
      local _, message = read(case[1])
      assert.equal(case[2], message)
    end)
  end

  it("takes a declaration as well", function()
    assert.same({ n = 1 }, schema.convert({ n = "integer" }, { n = "1" }))
  end)
end)

describe("schema.describe", function()
  it("describes a single value", function()
    assert.same({ type = "string", optional = false }, schema.describe("string"))
    assert.same({ type = "string", optional = true, max_length = 3 },
                schema.describe({ "string?", max_length = 3 }))
  end)

  it("describes fields, as they are written", function()
    local out = schema.describe {
      type = "string?",
      age = { "duration", default = "1h", help = "how old", min = "1s" },
      format = { "string", enum = { "html", "pdf" } },
      list = { "array", items = { "object", fields = { n = "integer" } } },
    }
    assert.same({
      type = { type = "string", optional = true },
      age = { type = "duration", optional = true, default = "1h", help = "how old", min = "1s" },
      format = { type = "string", optional = false, enum = { "html", "pdf" } },
      list = {
        type = "array", optional = false,
        items = { type = "object", optional = false,
                  fields = { n = { type = "integer", optional = false } } },
      },
    }, out)
    assert.equal("neap.array", getmetatable(out.format.enum))
  end)

  it("takes a check and gives tables of its own", function()
    local check = compiled { list = { "array", default = { 1 } } }
    schema.describe(check).list.default[1] = 2
    assert.same({ 1 }, schema.describe(check).list.default)
    assert.same({}, schema.describe(compiled {}))
  end)
end)
