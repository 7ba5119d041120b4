-- Let go of a key that a writer held. When the hold is gone, whatever stands there may be older than the write: it goes.
-- KEYS entry or tag   ARGV token
-- 1 = nobody holds it any more, 2 = other writers do
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
redis.call('SET', KEYS[1], left, 'KEEPTTL')
return 2
