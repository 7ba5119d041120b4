-- Give back a lease or a claim, if it is still ours.
-- KEYS lease or claim   ARGV identity or token
-- 1 = it was ours, 0 = it was not any more
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return 0
end
redis.call('UNLINK', KEYS[1])
return 1
