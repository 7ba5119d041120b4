-- Lengthen the life of a tag, if it is still the one we know. A tag that lives long enough is left alone, since every
-- write of it is told to all who read it.
-- KEYS tag   ARGV identity ('T' and nonce, 9 bytes), ttl field (4 bytes), ttl in ms ('' = none)
-- 2 = it was written, 1 = it lives long enough, 0 = it was invalidated meanwhile
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 9) ~= ARGV[1] then
  return 0
end
local left = redis.call('PTTL', KEYS[1])
if left == -1 or (ARGV[3] ~= '' and string.sub(value, 10) >= ARGV[2] and left * 2 > tonumber(ARGV[3])) then
  return 1
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
end
return 2
