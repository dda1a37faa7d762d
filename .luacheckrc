std = "lua54"
max_line_length = 100
cache = false
exclude_files = { "build" }

-- The build file runs in premake's world.
files["premake5.lua"] = {
  std = "max",
  globals = { "premake" },
  read_globals = {
    "_PREMAKE_VERSION", "_OPTIONS", "_p", "newoption", "workspace", "solution", "configurations",
    "configuration", "filter", "location", "language", "includedirs", "defines", "buildoptions",
    "linkoptions", "flags", "symbols", "targetdir", "objdir", "project", "kind", "files", "links",
    "libdirs", "targetname", "targetprefix", "targetextension", "postbuildcommands",
    "buildmessage", "buildcommands", "buildinputs", "buildoutputs", "defaultconfiguration",
    os = { fields = { "matchfiles", "isdir", "isfile", "mkdir", "getcwd" }, other_fields = true },
    path = { other_fields = true }, table = { other_fields = true },
  },
}

-- Specs run under busted, and those beside tasks under neap test.
files["tests/lua"] = { std = "+busted" }
files["**/*_test.lua"] = { std = "+busted" }
