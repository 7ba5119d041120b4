-- Store only if the key still holds the identity that was judged before the load (compare and set).
-- KEYS entry   ARGV identity seen ('' = absent), new bytes, ttl in ms ('' = none, 'keep' = as it is)
-- 1 = stored (also when a repeat finds its own bytes), 0 = somebody changed the key
local function head(last)
  local bytes = redis.pcall('GETRANGE', KEYS[1], 0, last)
  return type(bytes) == 'table' and '' or bytes  -- a value of another type: MGET called it absent, and so do we
end
if head(#ARGV[1] < 9 and -1 or 8) == ARGV[1] then
  if ARGV[3] == '' then
    redis.call('SET', KEYS[1], ARGV[2])
  elseif ARGV[3] == 'keep' then
    redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  end
  return 1
end
if head(8) == string.sub(ARGV[2], 1, 9) then
  return 1
end
return 0
