-- What tasks see of luv (libuv for Lua): each of its functions is wrapped, or refused, or not
-- there, as are those of other versions that are not named here. Run once a state, at the first
-- require "luv"; returns the module.
--
-- A descriptor is a number that any task could guess, and libuv aborts the process when one that it
-- polls is closed by somebody else: so nothing takes one but new_poll, which watches a duplicate.
local core, luv, registry, refuse = ...

local next, pairs, type = next, pairs, type

-- How each is called: words of core.luv_wrap (lua_luv.c).
local CALLS = {
  -- harmless anywhere
  [""] = [[
    available_parallelism cpu_info cwd exepath get_constrained_memory get_free_memory
    get_process_title get_total_memory getgid getpid getrusage gettimeofday getuid guess_handle
    hrtime if_indextoiid if_indextoname interface_addresses loadavg now os_environ os_get_passwd
    os_gethostname os_getpid os_getppid os_getpriority os_homedir os_tmpdir os_uname
    resident_set_memory translate_sys_error update_time uptime version version_string
  ]],
  -- of a handle, closed or not
  ["job closed"] = [[
    fileno handle_get_type has_ref is_active is_closing
  ]],
  ["job new"] = [[
    new_async new_check new_fs_event new_fs_poll new_idle new_pipe new_prepare new_timer
  ]],
  ["job new family"] = [[ new_tcp new_udp ]],
  ["job new descriptor"] = [[ new_poll new_socket_poll ]],
  ["job close closed"] = [[ close ]],
  ["job close"] = [[ tcp_close_reset ]],
  ["job once"] = [[ pipe_connect ]],
  ["job alone"] = [[ async_send ]],
  ["job request"] = [[ cancel req_get_type ]],
  ["job data"] = [[ try_write write ]],
  ["job data address"] = [[ udp_send udp_try_send ]],
  ["job"] = [[
    accept check_start check_stop fs_event_getpath fs_event_start fs_event_stop fs_poll_getpath
    fs_poll_start fs_poll_stop idle_start idle_stop is_readable is_writable listen pipe_bind
    pipe_chmod pipe_getpeername pipe_getsockname poll_start poll_stop prepare_start prepare_stop
    read_start read_stop recv_buffer_size ref send_buffer_size shutdown stream_get_write_queue_size
    tcp_bind tcp_connect tcp_getpeername tcp_getsockname tcp_keepalive tcp_nodelay
    tcp_simultaneous_accepts tcp_write_queue_size timer_again timer_get_due_in timer_get_repeat
    timer_set_repeat timer_start
    timer_stop udp_bind udp_connect udp_get_send_queue_count udp_get_send_queue_size udp_getpeername
    udp_getsockname udp_recv_start udp_recv_stop udp_set_broadcast udp_set_membership
    udp_set_multicast_interface udp_set_multicast_loop udp_set_multicast_ttl
    udp_set_source_membership udp_set_ttl unref
  ]],
  -- by a thread of libuv's pool, or at once where there is no callback
  ["job pool"] = [[
    fs_access fs_chmod fs_chown fs_copyfile fs_lchown fs_link fs_lstat fs_lutime fs_mkdir fs_mkdtemp
    fs_readlink fs_realpath fs_rename fs_rmdir fs_stat fs_statfs fs_symlink fs_unlink fs_utime
  ]],
  ["job pool callback"] = [[ getaddrinfo getnameinfo ]],
}

local REFUSED = {
  ["the worker runs the loop"] = [[
    backend_fd backend_timeout loop_alive loop_close loop_configure loop_mode metrics_idle_time
    print_active_handles print_all_handles run stop walk
  ]],
  ["a Lua state belongs to one thread"] = [[
    new_thread new_work queue_work thread_equal thread_join thread_self
  ]],
  ["use neap.exec"] = [[ disable_stdio_inheritance process_get_pid process_kill spawn ]],
  ["it concerns the whole process"] = [[
    chdir kill os_setenv os_setpriority os_unsetenv set_process_title setgid setuid
  ]],
  ["signals belong to the host"] = [[ new_signal signal_start signal_start_oneshot signal_stop ]],
  ["it would block the worker: use neap.sleep"] = [[ sleep ]],
  ["use os.getenv"] = [[ os_getenv ]], -- it takes a size, and allocates that
  ["read /dev/urandom"] = [[ random ]], -- the same
  ["it would block the worker"] = [[ stream_set_blocking ]],
  ["a task has no terminal"] = [[
    new_tty tty_get_vterm_state tty_get_winsize tty_reset_mode tty_set_mode tty_set_vterm_state
  ]],
  ["use neap.fs or io.open"] = [[
    fs_close fs_closedir fs_fchmod fs_fchown fs_fdatasync fs_fstat fs_fsync fs_ftruncate fs_futime
    fs_mkstemp fs_open fs_opendir fs_read fs_readdir fs_scandir fs_scandir_next fs_sendfile fs_write
  ]],
  ["descriptors do not pass from hand to hand"] = [[
    pipe pipe_open pipe_pending_count pipe_pending_instances pipe_pending_type socketpair tcp_open
    try_write2 udp_open write2
  ]],
}

local own, by_function = {}, {}

for words, names in next, CALLS do
  for name in names:gmatch("%S+") do
    local f = luv[name]
    if f then
      own[name] = core.luv_wrap(f, name, words)
      by_function[f] = own[name]
    end
  end
end
for why, names in next, REFUSED do
  for name in names:gmatch("%S+") do
    local f = luv[name]
    if f then
      own[name] = refuse("luv." .. name, why)
      by_function[f] = own[name]
    end
  end
end

-- Methods are the same functions. Nobody reaches these tables, which are the state's.
for _, class in next, registry do
  local methods = type(class) == "table" and class.__index
  local name = type(methods) == "table" and class.__name
  if type(name) == "string" and name:find("^uv_") then
    for method, f in pairs(methods) do methods[method] = by_function[f] end
    class.__metatable = false
  end
end

own.constants = luv.constants
return own
