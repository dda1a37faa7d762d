# push.rb JOBS: jobs through Sidekiq (REDIS_URL), pushed in bulk by this process and run by two
# others. Prints the seconds from the first push until the line is empty.
require 'sidekiq'
require 'sidekiq/api'
require_relative 'noop'

jobs = ARGV[0].to_i
workers = Array.new(2) do
  spawn('sidekiq', '-r', File.join(__dir__, 'noop.rb'), '-c', '10', out: '/dev/null', err: '/dev/null')
end
begin
  sleep 0.1 until Sidekiq::ProcessSet.new(false).size == workers.size
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  (0...jobs).each_slice(1000) do |ids|
    Sidekiq::Client.push_bulk('class' => Noop, 'args' => ids.map { |id| [id] })
  end
  queue = Sidekiq::Queue.new
  sleep 0.01 until queue.size.zero?
  puts Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
ensure
  workers.each { |pid| Process.kill('KILL', pid) }
  workers.each { |pid| Process.wait(pid) }
end
