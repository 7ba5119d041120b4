-- Add to a plain integer, or begin one, in one step.
-- KEYS counter   ARGV amount, ttl in ms for a new counter ('' = none), '1' to create, identity of a dead entry that
--                may be replaced ('' = none)
-- {1, new value as text}; {0} = absent and not created; {2} = the key holds an entry or foreign bytes; {3} = the sum
-- leaves 64 bits; {4} = the key holds no string. (Values go back as text: Lua's numbers lose digits beyond 2^53.)
local seen = redis.pcall('GETRANGE', KEYS[1], 0, 31)
if type(seen) == 'table' then
  return string.find(seen.err, 'WRONGTYPE', 1, true) and {4} or seen
end
if seen == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  seen = false
end
if seen and ARGV[4] ~= '' and string.sub(seen, 1, 9) == ARGV[4] then
  redis.call('UNLINK', KEYS[1])
  seen = false
end
if not seen and ARGV[3] ~= '1' then
  return {0}
end
if seen and not string.match(seen, '^-?%d+$') then
  return {2}
end
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' then
  if string.find(sum.err, 'overflow', 1, true) then
    return {3}
  end
  if string.find(sum.err, 'not an integer', 1, true) then
    return {2}
  end
  return sum
end
if not seen and ARGV[2] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return {1, redis.call('GET', KEYS[1])}
