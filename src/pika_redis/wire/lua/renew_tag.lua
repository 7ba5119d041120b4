-- Lengthen the life of a tag, if it is still the one we know.
-- KEYS tag   ARGV identity ('T' and nonce, 9 bytes), ttl field (4 bytes), ttl in ms ('' = none)
-- 1 = renewed, 0 = it was invalidated meanwhile
if redis.call('GETRANGE', KEYS[1], 0, 8) ~= ARGV[1] then
  return 0
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
end
return 1
