-- Hold a key for a writer, or hold it longer: nothing is stored there by a load until all writers have let go.
-- KEYS entry or tag   ARGV token (16 bytes, the first is 255), ms, '1' = only if this token still holds it
-- 1 = held, 0 = somebody overrode the hold
local value = redis.pcall('GET', KEYS[1])
local held, life = 'H', tonumber(ARGV[2])
if type(value) == 'table' and value.err and not string.find(value.err, 'WRONGTYPE', 1, true) then
  return value  -- it may be held by another writer
end
if type(value) == 'string' and string.sub(value, 1, 2) == 'H\255' then
  held = value
  life = math.max(life, redis.call('PTTL', KEYS[1]))
end
for at = 2, #held, 16 do
  if string.sub(held, at, at + 15) == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], life)
    return 1
  end
end
if ARGV[3] == '1' then
  return 0
end
redis.call('SET', KEYS[1], held .. ARGV[1], 'PX', life)
return 1
