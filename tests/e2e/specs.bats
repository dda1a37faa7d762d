# neap test: the specs beside tasks.
load helper

spec() { # PATH < text
    mkdir -p "$(dirname "$1")"
    cat >"$1"
}

@test "what passes, fails, waits to be written; exit 1" {
    spec plugins/a/x_test.lua <<'END'
describe("sums", function()
  local hooks = {}
  setup(function() hooks[#hooks + 1] = "setup" end)
  before_each(function() hooks[#hooks + 1] = "before" end)
  after_each(function() hooks[#hooks + 1] = "after" end)
  it("adds", function()
    finally(function() hooks[#hooks + 1] = "finally" end)
    assert.equal(2, 1 + 1)
  end)
  it("is not so good at this", function()
    assert.same({ "setup", "before", "finally", "after", "before" }, hooks)
    local function deep() assert.same({ a = { 1, 2 } }, { a = { 1, 3 } }) end
    deep()
  end)
  it("raises", function() error({ code = 5 }) end)
  it("calls what is nil", function() local x; x() end)
  it("is to be written")
  it("gives up", function() pending("not today") end)
end)
END
    neap 1 test
    expect "plugins/a/x_test.lua"
    expect "ok      sums adds"
    expect "FAILED  sums is not so good at this"
    expect "plugins/a/x_test.lua:12: expected {"
    expect 'they differ at ["a"][2]'
    expect "plugins/a/x_test.lua:13: in"
    expect "(error object is a table value)"
    expect "plugins/a/x_test.lua:16: attempt to call a nil value"
    expect "pending sums is to be written"
    expect "not today"
    expect "1 passed, 3 failed, 2 pending"
    quiet
}

@test "a spec that is broken is an error with its line" {
    spec plugins/a/syntax_test.lua <<<'describe("x", function('
    spec plugins/a/top_test.lua <<<'local t = require "nowhere.at.all"'
    spec plugins/a/block_test.lua <<'END'
describe("block", function()
  it("is never reached", function() end)
  error("on the way")
end)
describe("hook", function()
  setup(function() error("no setup") end)
  it("is not run", function() end)
end)
it("stands alone", function() end)
END
    neap 1 test
    expect "plugins/a/syntax_test.lua:2:"
    expect "module 'nowhere.at.all' not found"
    expect "plugins/a/block_test.lua:3: on the way"
    expect "ERROR   hook setup"
    expect "plugins/a/block_test.lua:6: no setup"
    expect "ok      stands alone"
    [[ $output != *"is not run"* ]]
    expect "2 passed, 4 failed"
}

@test "a task that is missing or wrong fails its spec, and says why" {
    spec plugins/a/one_test.lua <<'END'
local test = require "neap.test"
it("is missing", function() test.load("two") end)
it("is wrong", function() test.load("one") end)
END
    spec plugins/a/one.lua <<<'return { args = { n = "intger" }, runn = function() end }'
    neap 1 test
    expect "plugins/a/one_test.lua:2: plugins/a/two.lua: No such file or directory"
    expect "plugins/a/one.lua: args.n: "
    expect "did you mean 'integer'?"
    expect "did you mean 'run'?"
}

@test "no specs, no such path: exit 66" {
    neap 66 test
    expect_error "no specs"
    mkdir -p plugins/a
    neap 66 test plugins
    neap 66 test nowhere
    expect_error "nowhere: No such file or directory"
}

@test "paths, filter and the directories of the configuration" {
    spec plugins/a/x_test.lua <<<'it("one", function() end) it("two", function() end)'
    spec more/b/y_test.lua <<<'it("three", function() end)'
    neap 0 test plugins/a/x_test.lua more
    expect "3 passed"
    neap 0 test
    expect "2 passed"
    neap 0 test --filter '^t[wh]' plugins more
    expect "2 passed"
    [[ $output != *one* ]]
    neap 0 test --plugins more
    expect "1 passed"
    printf '[neap]\nplugins = more, plugins\n' >neap.ini
    neap 0 test
    expect "3 passed"
    neap 64 test --filter '%'
    expect_error "--filter"
}

@test "each file has a state of its own, helpers and print" {
    spec plugins/a/lib/helper.lua <<<'return { n = 7 }'
    spec plugins/a/x_test.lua <<<'leak = 1 it("x", function() assert.equal(7, require("helper").n) print("said", 1) end)'
    spec plugins/a/y_test.lua <<<'it("y", function() assert.is_nil(leak) assert.has_error(os.exit) end)'
    neap 0 test
    expect "2 passed, 0 failed"
    expect "said	1"
}

@test "TAP" {
    spec plugins/a/x_test.lua <<'END'
it("good", function() print("a\nb") end)
it("bad", function() error("two\nlines", 0) end)
it("later")
END
    neap 1 test -o tap
    is "# a
# b
ok 1 - plugins/a/x_test.lua: good
not ok 2 - plugins/a/x_test.lua: bad
# two
# lines
ok 3 - plugins/a/x_test.lua: later # SKIP pending
1..3
# 1 passed, 1 failed, 1 pending"
}

@test "what neap refuses in a task it refuses under test" {
    spec plugins/a/one.lua <<'END'
return function(args)
  if args == 1 then os.exit(0) end
  if args == 2 then io.popen("ls") end
  if args == 3 then setmetatable({}, { __gc = print }) end
end
END
    spec plugins/a/one_test.lua <<'END'
local test = require "neap.test"
for i, text in ipairs { "os.exit", "io.popen", "__gc" } do
  it(text, function()
    assert.matches(text, test.load("one"):run(i).error.message, 1, true)
  end)
end
END
    neap 0 test
    expect "3 passed"
}

@test "a new plugin's spec passes here and under busted" {
    neap 0 new plugin mail
    neap 0 new task alone
    neap 0 test
    expect "ok      mail.hello greets by name"
    expect "ok      alone greets the world"
    expect "4 passed, 0 failed"
    command -v busted >/dev/null || skip "no busted"
    run -0 busted
    expect "4 successes"
}
