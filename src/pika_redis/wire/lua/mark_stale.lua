-- Logically expire an entry in place, under a new nonce, so that loads in flight are refused.
-- KEYS entry   ARGV new nonce (8 bytes)
-- 1 = marked, or deleted when memory is full; 0 = nothing to keep: a counter, lease or mark goes, a hold stays
local kind = redis.pcall('GETRANGE', KEYS[1], 0, 0)
if type(kind) == 'table' then
  return string.find(kind.err, 'WRONGTYPE', 1, true) and 0 or kind
end
if kind == 'V' or kind == 'N' or kind == 'S' then
  if type(redis.pcall('SETRANGE', KEYS[1], 0, 'S' .. ARGV[1])) == 'table' then
    redis.call('UNLINK', KEYS[1])
  end
  return 1
end
if kind ~= 'H' and kind ~= '' then
  redis.call('UNLINK', KEYS[1])
end
return 0
