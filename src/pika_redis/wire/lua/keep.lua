-- Let an entry live on while it is loaded again, if it would end before that. One that was touched meanwhile has got
-- another life, and is left alone.
-- KEYS entry   ARGV its bytes before the payload, those that they become, ms from now
-- 2 = it was written (also when a repeat finds its own bytes), 1 = it is still the same one, 0 = it is not
if redis.call('GETRANGE', KEYS[1], 0, 8) ~= string.sub(ARGV[1], 1, 9) then
  return 0
end
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[2] - 1) == ARGV[2] then
  return 2
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 or left >= tonumber(ARGV[3]) or redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return 1
end
redis.call('SET', KEYS[1], ARGV[2] .. redis.call('GETRANGE', KEYS[1], #ARGV[1], -1), 'PX', ARGV[3])
return 2
