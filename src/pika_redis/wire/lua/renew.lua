-- Let a lease or a claim live on, if it is still ours.
-- KEYS lease or claim   ARGV identity or token, ms from now
-- 1 = it was ours, 0 = it was not any more
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
