# The job that Sidekiq's workers load and push.rb pushes.
class Noop
  include Sidekiq::Worker

  def perform(id); end
end
