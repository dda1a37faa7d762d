local core = dofile("scripts/neap/test/plain.lua")
local schema = assert(loadfile("scripts/schema.lua"))(core)
local task = assert(loadfile("scripts/task.lua"))(core, schema)

local function run() end

local function with(fields)
  fields.run = fields.run or run
  return fields
end

describe("task.read", function()
  it("takes a function", function()
    local read, problems = task.read(run, "hello")
    assert.is_nil(problems)
    assert.same({ run = run }, read)
  end)

  it("takes a table with a function only", function()
    local read, problems = task.read({ run = run }, "demo.hello")
    assert.is_nil(problems)
    assert.same({ run = run }, read)
  end)

  it("brings every field into its normal form", function()
    local function setup() end
    local function on_dead() end
    local function teardown() end
    local read, problems = task.read({
      summary = "Render a report", queue = "mail", priority = "high", run = run, setup = setup,
      on_dead = on_dead, teardown = teardown,
      retry = { max = 8, backoff = "linear", base = "15s", cap = 3600, jitter = 0.2 },
      args = { user = "integer" }, config = { api = { "string", default = "x" } },
    }, "mail.report")
    assert.is_nil(problems)
    local args_check, config_check = read.args_check, read.config_check
    read.args_check, read.config_check = nil, nil
    assert.same({
      summary = "Render a report", queue = "mail", priority = 10, run = run, setup = setup,
      on_dead = on_dead, teardown = teardown,
      retry = { max = 8, backoff = 1, base_ms = 15000, cap_ms = 3600000, jitter = 0.2 },
      args_spec = { user = { type = "integer", optional = false } },
      config_spec = { api = { type = "string", optional = true, default = "x" } },
    }, read)
    local _, message = args_check({})
    assert.equal("args.user: missing (an integer)", message)
    assert.same({ api = "x" }, config_check({}))
  end)

  it("takes a single type for args", function()
    local read, problems = task.read(with { args = "string" }, "t")
    assert.is_nil(problems)
    assert.same({ type = "string", optional = false }, read.args_spec)
    assert.equal("x", read.args_check("x"))
  end)

  it("tells no arguments from undeclared ones", function()
    assert.is_nil(task.read(run, "t").args_check)
    local _, message = task.read(with { args = {} }, "t").args_check({ a = 1 })
    assert.equal("args.a: unknown field (there are none)", message)
  end)

  for word, number in pairs { low = -10, normal = 0, high = 10, critical = 20, [-128] = -128,
                              [127] = 127 } do
    it("takes the priority " .. word, function()
      assert.equal(number, task.read(with { priority = word }, "t").priority)
    end)
  end

  it("takes the retries as a number, or a table with some fields", function()
    assert.same({ max = 3 }, task.read(with { retry = 3 }, "t").retry)
    assert.same({ max = 0 }, task.read(with { retry = 0 }, "t").retry)
    assert.same({}, task.read(with { retry = {} }, "t").retry)
    assert.same({ base_ms = 250, backoff = 2 },
                task.read(with { retry = { base = 0.25, backoff = "fixed" } }, "t").retry)
  end)

  for given, ms in pairs { [0] = 0, none = 0, ["0"] = 0, ["1.5s"] = 1500, [0.25] = 250,
                           ["1h30m"] = 5400000 } do
    it("takes the timeout " .. given, function()
      assert.equal(ms, task.read(with { timeout = given }, "t").timeout_ms)
    end)
  end

  it("takes reentrant", function()
    assert.is_true(task.read(with { reentrant = true }, "t").reentrant)
    assert.is_false(task.read(with { reentrant = false }, "t").reentrant)
    assert.is_nil(task.read(with {}, "t").reentrant)
  end)

  local NO_TIMEOUT = "timeout: must be a duration: seconds, or such as '250ms' or '1h30m'; "
    .. "or 'none'"
  local bad = {
    { nil, "file: must return a function or a table, returned nothing" },
    { "x", "file: must return a function or a table, returned a string" },
    { 1, "file: must return a function or a table, returned a number" },
    { {}, "run: missing (the task's function)" },
    { { run = "x" }, "run: must be a function, not a string" },
    { with { setup = {} }, "setup: must be a function, not a table" },
    { with { on_dead = true }, "on_dead: must be a function, not a boolean" },
    { with { teardown = 1 }, "teardown: must be a function, not a number" },
    { with { summary = 1 }, "summary: must be a string, not a number" },
    { with { summary = "a\nb" }, "summary: must be one line" },
    { with { queue = 1 }, "queue: must be a name, not a number" },
    { with { queue = "a b" },
      "queue: must be a name of letters, digits, '-' and '_', at most 40 bytes" },
    { with { queue = ("q"):rep(41) },
      "queue: must be a name of letters, digits, '-' and '_', at most 40 bytes" },
    { with { priority = "hihg" }, "priority: unknown priority 'hihg' (did you mean 'high'?)" },
    { with { priority = 1.5 },
      "priority: must be an integer or one of low, normal, high, critical" },
    { with { priority = {} },
      "priority: must be an integer or one of low, normal, high, critical" },
    { with { priority = 128 }, "priority: must be from -128 to 127" },
    { with { priority = -129 }, "priority: must be from -128 to 127" },
    { with { retry = "3" }, "retry: must be a number of retries or a table, not a string" },
    { with { retry = -1 }, "retry: must be an integer from 0 to 1000000" },
    { with { retry = 1.5 }, "retry: must be an integer from 0 to 1000000" },
    { with { retry = { max = "3" } }, "retry.max: must be an integer from 0 to 1000000" },
    { with { retry = { backoff = "exponental" } },
      "retry.backoff: must be exponential, linear or fixed (did you mean 'exponential'?)" },
    { with { retry = { backoff = 1 } }, "retry.backoff: must be exponential, linear or fixed" },
    { with { retry = { base = "soon" } },
      "retry.base: must be a duration: seconds, or such as '250ms' or '1h30m'" },
    { with { retry = { cap = {} } },
      "retry.cap: must be a duration: seconds, or such as '250ms' or '1h30m'" },
    { with { retry = { base = "1m", cap = 5 } }, "retry.cap: must not be below retry.base" },
    { with { retry = { jitter = 1.1 } }, "retry.jitter: must be a number from 0 to 1" },
    { with { retry = { jitter = 0 / 0 } }, "retry.jitter: must be a number from 0 to 1" },
    { with { retry = { jiter = 1 } }, "retry.jiter: unknown field (did you mean 'jitter'?)" },
    { with { retry = { 3 } }, "retry.[1]: unknown field" },
    { with { args = 1 }, "args: must be a type or a table of fields, not a number" },
    { with { args = "strng" }, "args: unknown type 'strng' (did you mean 'string'?)" },
    { with { args = { day = { "string", max_lenght = 1 } } },
      "args.day: unknown key 'max_lenght' (did you mean 'max_length'?)" },
    { with { config = "string" },
      'config: must be a table of fields, such as { from = "string" }' },
    { with { config = { "string" } },
      'config: must be a table of fields, such as { from = "string" }' },
    { with { config = { a = "x" } }, "config.a: unknown type 'x'" },
    { with { sumary = "x" }, "sumary: unknown field (did you mean 'summary'?)" },
    { with { timeout = "soon" }, NO_TIMEOUT }, { with { timeout = false }, NO_TIMEOUT },
    { with { timeout = -1 }, NO_TIMEOUT }, { with { timeout = {} }, NO_TIMEOUT },
    { with { reentrant = 1 }, "reentrant: must be true or false, not a number" },
    { with { timout = 1 }, "timout: unknown field (did you mean 'timeout'?)" },
    { with { slice = "5ms" }, "slice: unknown field" },
    { with { memory = "5M" }, "memory: unknown field" },
    { with { [true] = 1 }, "true: unknown field" },
  }
  for _, case in ipairs(bad) do
    it("refuses: " .. case[2], function()
      local _, problems = task.read(case[1], "t")
      assert.same({ case[2] }, problems)
    end)
  end

  it("says where a nameless function belongs", function()
    local _, problems = task.read({ run }, "t")
    assert.same({ "run: missing (the task's function)",
                  "[1]: the task's function goes into the field 'run'" }, problems)
  end)

  it("lists all mistakes", function()
    local _, problems = task.read({ queue = 1, priority = {}, retries = 1, sumary = "" }, "t")
    assert.equal(5, #problems)
  end)

  for _, name in ipairs { "a", "mail.send", "a-b_C.9", ("n"):rep(40) } do
    it("takes the name " .. name, function()
      assert.is_nil(select(2, task.read(run, name)))
    end)
  end

  for _, name in ipairs { "", "a.b.c", "mäil", "a b", ".a", "a.", ("n"):rep(41) } do
    it("refuses the name '" .. name .. "'", function()
      local _, problems = task.read(run, name)
      assert.equal(1, #problems)
      assert.equal("name: ", problems[1]:sub(1, 6))
    end)
  end
end)
