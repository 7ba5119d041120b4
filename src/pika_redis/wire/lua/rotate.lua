-- End the epoch of a namespace because the server came back with old data: once, whoever finds out first.
-- KEYS epoch   ARGV the new epoch, which ends with what it was ended for   how many bytes that is
-- 1 = ended, 0 = somebody did before
local value = redis.pcall('GET', KEYS[1])
local cause = string.sub(ARGV[1], -tonumber(ARGV[2]))
if type(value) == 'string' and #value == #ARGV[1] and string.sub(value, -tonumber(ARGV[2])) == cause then
  return 0
end
if redis.pcall('SET', KEYS[1], ARGV[1]).err then
  redis.call('UNLINK', KEYS[1])
end
return 1
