-- Let go of a key that a writer held. When the hold is gone, whatever stands there may be older than the write: it goes.
-- KEYS entry or tag   ARGV token
-- 1 = nobody holds it any more, 2 = other writers do, unless memory is full: then it goes, and they lost it
local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' or string.sub(value, 1, 2) ~= 'H\255' then
  redis.call('UNLINK', KEYS[1])
  return 1
end
local left = 'H'
for at = 2, #value, 16 do
  local token = string.sub(value, at, at + 15)
  if token ~= ARGV[1] then
    left = left .. token
  end
end
if #left == 1 then
  redis.call('UNLINK', KEYS[1])
  return 1
end
local kept = redis.pcall('SET', KEYS[1], left, 'KEEPTTL')
if kept.err then
  redis.call('UNLINK', KEYS[1])
  return 1
end
return 2
