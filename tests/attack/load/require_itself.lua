-- expect: task.lua: require 'again': a loop: it requires itself
return require "again"
