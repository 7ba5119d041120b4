-- Store only if the key still holds what was seen before the load (compare and set).
-- KEYS entry   ARGV what was seen: '' = nothing, '#' and the SHA-1 of a whole value, else an identity; new bytes; ttl in
--              ms ('' = none, 'keep' = as it is)
-- 1 = stored (also when a repeat finds its own bytes), 0 = somebody changed the key
local function head(last)
  local bytes = redis.pcall('GETRANGE', KEYS[1], 0, last)
  if type(bytes) ~= 'table' then
    return bytes
  elseif string.find(bytes.err, 'WRONGTYPE', 1, true) then
    return ''  -- MGET called it absent, and so do we
  end
  error(bytes)  -- what can't be compared must not be replaced
end
local function unchanged()
  if ARGV[1] == '' then
    return head(0) == ''
  elseif string.sub(ARGV[1], 1, 1) == '#' then
    local digest = redis.sha1hex(head(-1))
    local bytes = string.gsub(digest, '..', function(pair) return string.char(tonumber(pair, 16)) end)
    return bytes == string.sub(ARGV[1], 2)
  end
  return head(8) == ARGV[1]
end
if unchanged() then
  if ARGV[3] == '' then
    redis.call('SET', KEYS[1], ARGV[2])
  elseif ARGV[3] == 'keep' then
    redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  end
  return 1
end
if string.match(ARGV[2], '^[VNSLF]') and head(8) == string.sub(ARGV[2], 1, 9) then
  return 1
end
return 0
