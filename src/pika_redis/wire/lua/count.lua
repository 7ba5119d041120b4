-- Add to a plain integer, or begin one, in one step.
-- KEYS counter   ARGV amount, ttl in ms for a new counter ('' = none), '1' to create, identity of a dead entry that
--                may be replaced ('' = none)
-- {1, new value as text}; {0} = absent and not created; {2, first bytes} = the key holds something that is no plain
-- integer: so many that an entry's whole header is among them; {3} = the sum leaves 64 bits.
-- (Values go back as text: Lua's own numbers lose digits beyond 2^53.)
local longest_header = 33600
local seen = redis.pcall('GETRANGE', KEYS[1], 0, longest_header - 1)
if type(seen) == 'table' then
  return {2, ''}
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
  return {2, seen}
end
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' then
  if string.find(sum.err, 'overflow', 1, true) then
    return {3}
  end
  if string.find(sum.err, 'not an integer', 1, true) then
    return {2, seen or ''}
  end
  return sum
end
if not seen and ARGV[2] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return {1, redis.call('GET', KEYS[1])}
