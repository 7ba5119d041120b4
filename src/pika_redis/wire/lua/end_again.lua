-- Delete keys once more, of which the server may have forgotten that they were deleted.
-- KEYS entries or tags (of one slot)
-- What is no entry or tag of ours stays: somebody may be counting there. So does what a writer's guard holds.
for _, key in ipairs(KEYS) do
  local head = redis.pcall('GETRANGE', key, 0, 8)
  if type(head) == 'string' and #head == 9 and string.find(head, '^[VNSLFT]') then
    redis.call('UNLINK', key)
  end
end
return 1
