-- Delete keys, but not what a writer's guard holds.
-- KEYS entries or tags (of one slot)
-- how many held something of use: leases (9 bytes) and marks of failed loads (18 bytes) don't count
local gone = 0
for _, key in ipairs(KEYS) do
  local head = redis.pcall('GETRANGE', key, 0, 18)
  if type(head) == 'table' then
    head = '?'
  end
  if string.sub(head, 1, 2) ~= 'H\255' and redis.call('UNLINK', key) == 1 then
    local kind = string.sub(head, 1, 1)
    if not (kind == 'L' and #head == 9) and not (kind == 'F' and #head == 18) then
      gone = gone + 1
    end
  end
end
return gone
