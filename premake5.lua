-- premake4 --file=premake5.lua gmake   (4.3, Debian 12)   or   premake5 gmake
-- ./dev does this at every build: globs are expanded here. Only Lua 5.1 and what both have in
-- common; the rest is behind `p4`. Makefiles and output go under build/.
local p4 = _PREMAKE_VERSION:find("^4") ~= nil
local CONFIGS = { "debug", "release", "asan", "tsan", "fuzz" }

local function on(config)                -- what follows is for this configuration (nil: for all)
  if p4 then
    configuration(config or {})
  else
    filter(config and { "configurations:" .. config } or {})
  end
end

local rules = {}                         -- premake4: make rules by project name
if p4 then
  -- 4.3 forgets that objects need their directory, which breaks make -j.
  local make_cpp = premake.make_cpp
  premake.make_cpp = function(prj)
    make_cpp(prj)
    _p("%s", "$(OBJECTS): | $(OBJDIR) prebuild")
    _p("%s", "$(TARGET): | $(TARGETDIR) prelink")
    for _, rule in ipairs(rules[prj.name] or {}) do _p("%s", rule) end
  end
  -- 4.3 links our own libraries as -lneap, which finds libneap.so before libneap.a.
  premake.gcc.getlinkflags = function(cfg)
    local flags = premake.getlinks(cfg, "siblings", "fullpath")
    for _, name in ipairs(premake.getlinks(cfg, "system", "basename")) do
      table.insert(flags, "-l" .. name)
    end
    return flags
  end
end

-- A C file that `command`, run in build/, makes from `inputs`.
local function generate(out, inputs, command)
  if p4 then
    local rule = path.getrelative("build", out) .. ":"
    for _, f in ipairs(inputs) do rule = rule .. " " .. path.getrelative("build", f) end
    rule = rule .. "\n\t@echo " .. path.getname(out) .. "\n\t$(SILENT) " .. command
    local name = project().name
    rules[name] = rules[name] or {}
    table.insert(rules[name], rule)
    files { out }
  else
    files { inputs[1] }
    filter { "files:" .. inputs[1] }
      buildmessage(path.getname(out))
      buildcommands { command }
      buildinputs(inputs)
      buildoutputs { out }
    filter {}
  end
end

local function pkgconfig(what, module)
  local pipe = io.popen("pkg-config " .. what .. " " .. module .. " && echo found")
  local text = pipe:read("*a")
  pipe:close()
  if not text:find("found") then error("pkg-config: no " .. module, 0) end
  for flag, value in text:gmatch("(%-%a)(%S+)") do
    if flag == "-I" then
      includedirs { value }
    elseif flag == "-L" then
      libdirs { value }
    elseif flag == "-D" then
      defines { value }
    elseif flag == "-l" then
      links { value }
    else
      buildoptions { flag .. value }
      linkoptions { flag .. value }
    end
  end
end

local function sources(...)              -- C files matching any of the patterns, in order
  local found = {}
  for _, pattern in ipairs { ... } do
    for _, f in ipairs(os.matchfiles(pattern)) do table.insert(found, f) end
  end
  table.sort(found)
  return found
end

newoption { trigger = "ci", description = "Warnings are errors" }

;(workspace or solution) "neap"
  configurations(CONFIGS)
  if defaultconfiguration then defaultconfiguration "debug" end
  location "build"
  objdir "build/obj"
  language "C"
  includedirs { "core" }
  defines { "_GNU_SOURCE" }
  buildoptions {
    "-std=c11", "-g", "-fPIC", "-pthread",
    "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes",
  }
  linkoptions { "-pthread" }
  if _OPTIONS["ci"] then buildoptions { "-Werror" } end
  if p4 then flags { "Symbols" } else symbols "On" end   -- or both link with -s

  for _, c in ipairs(CONFIGS) do on(c) targetdir("build/" .. c) end
  on "debug"
    buildoptions { "-O0" }
  on "release"                           -- fat: who links libneap.a need not know of it
    buildoptions { "-O2", "-flto=auto", "-ffat-lto-objects" }
    linkoptions { "-fno-lto" }
  on "asan"
    buildoptions { "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
                   "-fno-sanitize-recover=all" }
    linkoptions { "-fsanitize=address,undefined" }
  on "tsan"
    buildoptions { "-O1", "-fno-omit-frame-pointer", "-fsanitize=thread" }
    linkoptions { "-fsanitize=thread" }
  on "fuzz"                              -- CC=clang
    buildoptions { "-O1", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all",
                   "-fsanitize=fuzzer-no-link,address,undefined" }
    linkoptions { "-fsanitize=address,undefined" }
  on()

local function whole_program()           -- calls between files cost a twentieth of a small job
  on "release"
    linkoptions { "-O2", "-flto=auto" }
  on()
end

local function unit(name, type, list)
  project(name)
    kind(type)
    language "C"
    files(list)
    pkgconfig("--cflags", "lua5.4")
end

local function output(dir, name)         -- build/CONFIG/dir/name
  targetname(name)
  for _, c in ipairs(CONFIGS) do on(c) targetdir("build/" .. c .. "/" .. dir) end
  on()
end

local function libraries(what)           -- all but Lua
  for _, module in ipairs { "libuv", "inih", "jansson", "sqlite3" } do pkgconfig(what, module) end
  pkgconfig("--cflags", "libcurl")        -- opened with dlopen, not linked, as this one
  pkgconfig("--cflags", "libmicrohttpd")
  if what:find("libs") then links { "m", "dl" } end
end

-- A program with everything inside, so that it starts at once: each shared library costs 0.02 to
-- 0.2 ms. All of liblua5.4.a, exported: C modules call it. The others are its own and not to be
-- seen: a C module that needs one gets the system's. But libuv, which luv and the worker have in
-- common.
local INSIDE = { "libinih.a", "libjansson.a", "libsqlite3.a" }

local function program(name, list, extra)
  unit(name, "ConsoleApp", list)
    links(extra or {})
    links { "neap-static" }
    linkoptions { "-Wl,-E", "-Wl,--whole-archive,-l:liblua5.4.a,--no-whole-archive",
                  "-Wl,--exclude-libs," .. table.concat(INSIDE, ":") }
    libraries("--cflags")
    pkgconfig("--libs", "libuv")
    for _, library in ipairs(INSIDE) do links { ":" .. library } end
    links { "m", "dl" }
end

-- The core, with the Lua half inside.
local core, faces = {}, sources("core/faces/*.c")
for _, f in ipairs(sources("core/**.c")) do
  if not f:find("core/faces/", 1, true) then table.insert(core, f) end
end

local embedded = {}
for _, f in ipairs(sources("scripts/**.lua", "plugins/**.lua", "share/*.lua")) do
  if not f:find("_test%.lua$") then table.insert(embedded, f) end
end

local function keep(file, text)          -- writes only what is new, for make's sake
  local f = io.open(file, "rb")
  local old = f and f:read("*a")
  if f then f:close() end
  if old == text then return end
  f = assert(io.open(file, "wb"))
  f:write(text)
  f:close()
end
os.mkdir("build/gen")
keep("build/gen/embedded.list", table.concat(embedded, "\n") .. "\n")

unit("neap-static", "StaticLib", core)
  targetname "neap"
  buildoptions { "-fvisibility=hidden" }
  local inputs = { "tools/embed.lua", "tools/strip.lua", "tools/declare.lua",
                   "build/gen/embedded.list" }
  for _, f in ipairs(embedded) do table.insert(inputs, f) end
  generate("build/gen/embedded.c", inputs,
           "cd .. && lua5.4 tools/embed.lua build/gen/embedded.list build/gen/embedded.c")
  libraries("--cflags")

-- The same objects as a shared library. Its Lua is the shared one: the archive is not PIC.
unit("neap-shared", "SharedLib", {})
  targetname "neap"
  links { "neap-static" }
  for _, c in ipairs(CONFIGS) do
    on(c)
    linkoptions { "-Wl,--whole-archive," .. c .. "/libneap.a,--no-whole-archive" }
  end
  on()
  linkoptions { "-Wl,-soname,libneap.so.0", "-Wl,--no-undefined" }
  for _, c in ipairs { "asan", "tsan", "fuzz" } do -- the sanitizer comes with the program
    on(c)
    linkoptions { "-Wl,-z,undefs" }
  end
  on()
  pkgconfig("--libs", "lua5.4")
  libraries("--libs")
  postbuildcommands { "@ln -sf libneap.so $(TARGETDIR)/libneap.so.0" }
  whole_program()

if #faces > 0 then
  program("neap", faces)
    buildoptions { "-fvisibility=hidden" }
    whole_program()
end

-- Tests: one program a file.
local support = {}
if #sources("tests/support/*.c") > 0 then
  unit("test-support", "StaticLib", sources("tests/support/*.c"))
    includedirs { "tests/support" }
  support = { "test-support" }
end

-- Parts of the faces are tested and fuzzed as they are, without the faces' main.
local front = {}
for _, f in ipairs(faces) do
  if path.getname(f) ~= "main.c" then table.insert(front, f) end
end
unit("test-faces", "StaticLib", front)
  libraries("--cflags")
front = { "test-faces", support[1] }

for _, f in ipairs(sources("tests/unit/*.c", "tests/store/*.c", "tests/fault/*.c")) do
  program("unit-" .. path.getbasename(f), { f }, front)
    includedirs { "tests/support" }
    output("unit", path.getbasename(f))
    links { "cmocka", "sqlite3" }
end

if #sources("tests/fuzz/*.c") > 0 then
  unit("fuzz-main", "StaticLib", { "tests/fuzz/main/standalone.c" })
end
for _, f in ipairs(sources("tests/fuzz/*.c")) do
  program("fuzz-" .. path.getbasename(f), { f }, front)
    includedirs { "tests/support" }
    output("fuzz", path.getbasename(f))
    for _, c in ipairs(CONFIGS) do
      on(c)
      if c == "fuzz" then
        linkoptions { "-fsanitize=fuzzer" }
      else
        links { "fuzz-main" }
      end
    end
    on()
end

for _, f in ipairs(sources("tests/bench/*.c")) do
  program("bench-" .. path.getbasename(f), { f })
    output("bench", path.getbasename(f))
    links { "sqlite3", "microhttpd" }
end

-- Lua C modules for the tests.
for _, f in ipairs(sources("tests/modules/*.c")) do
  unit("module-" .. path.getbasename(f), "SharedLib", { f })
    targetprefix ""
    output("modules", path.getbasename(f))
end

-- Hosts of libneap, one program a file, built as a stranger would.
for _, f in ipairs(sources("examples/embed/*.c")) do
  unit(path.getbasename(f), "ConsoleApp", { f })
    links { "neap-shared" }
    linkoptions { "-Wl,-rpath,'$$ORIGIN'" }
    pkgconfig("--libs", "lua5.4")
    libraries("--libs")
end
