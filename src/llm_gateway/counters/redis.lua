-- Limits in Redis or Valkey: the arithmetic of limits/account.py, one round trip for all accounts of a request.
--
-- KEYS: scopes. ARGV: operation, prefix, now in microseconds ('' in production: the server's own time), then what the operation takes.
-- An account is three keys: <prefix><scope>:a (hash: counts and edges), :q (list of grants, "time" or "time:how many"),
-- :u (list of used tokens, "slot end:tokens"); a limit that callers share has :w (hash: who waits for it). A reservation is <prefix>r:<name> (hash: scope to tokens held), its lease a member of
-- <prefix>leases. All keys share the hash tag in the prefix, so on a cluster they live in one slot.

local WINDOW = {1000000, 60000000, 3600000000}
local MINUTE, SLOT, HELD_BACK, REFUSALS, REAPED = 60000000, 250000, 1000000, 3, 8
local KEEP_MS, TOMBSTONE_MS, JUMP = 3660000, 60000, 2000000
local WAITERS, GRACE, LONGEST, PARTED = 64, 2000000, 3962000000, 1000000000

local op, prefix = ARGV[1], ARGV[2]
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function text(number) return string.format('%.0f', number) end

-- "time:amount" as two numbers; without an amount it is 1.
local function pair(raw)
  local at = string.find(raw, ':', 1, true)
  if at then return tonumber(string.sub(raw, 1, at - 1)), tonumber(string.sub(raw, at + 1)) end
  return tonumber(raw), 1
end

local function packed(time, amount)
  if amount == 1 then return text(time) end
  return text(time) .. ':' .. text(amount)
end

local function slot_end(time) return (math.floor(time / SLOT) + 1) * SLOT end

local function rewrite(key, entries)
  redis.call('DEL', key)
  for from = 1, #entries, 1000 do
    local part = {}
    for place = from, math.min(from + 999, #entries) do part[#part + 1] = entries[place] end
    redis.call('RPUSH', key, unpack(part))
  end
end

-- Writes a sorted log of grants anew; the edges are found again by `advance`.
local function relog(a, log)
  local entries, total, last = {}, 0, nil
  for _, each in ipairs(log) do
    total = total + each[2]
    if last and last[1] == each[1] then last[2] = last[2] + each[2] else
      last = {each[1], each[2]}
      entries[#entries + 1] = last
    end
  end
  for place, each in ipairs(entries) do entries[place] = packed(each[1], each[2]) end
  rewrite(a.q, entries)
  a.len, a.last = #entries, last and last[1] or 0
  a.h, a.c = {0, 0, 0}, {total, total, total}
end

local function reslot(a, slots)
  local entries, total, last = {}, 0, nil
  for _, each in ipairs(slots) do
    total = total + each[2]
    if last and last[1] == each[1] then last[2] = last[2] + each[2] else
      last = {each[1], each[2]}
      entries[#entries + 1] = last
    end
  end
  for place, each in ipairs(entries) do entries[place] = text(each[1]) .. ':' .. text(each[2]) end
  rewrite(a.u, entries)
  a.used = total
end

local function pairs_of(key)
  local found = {}
  for place, raw in ipairs(redis.call('LRANGE', key, 0, -1)) do found[place] = {pair(raw)} end
  return found
end

local function by_time(left, right) return left[1] < right[1] end

-- The server's clock was set back: what lies in the future counts from now on, a full window longer at most.
local function rebase(a)
  local log, slots = pairs_of(a.q), pairs_of(a.u)
  for _, each in ipairs(log) do if each[1] > now then each[1] = now end end
  for _, each in ipairs(slots) do if each[1] > slot_end(now) then each[1] = slot_end(now) end end
  relog(a, log)
  reslot(a, slots)
  a.r1, a.r2 = 0, 0
  if a.until_ > now + a.cooled then a.until_ = now + a.cooled end
end

local function advance(a)
  for window = 1, 3 do
    local head, edge = a.h[window], now - WINDOW[window]
    a.first[window] = 0
    while head < a.len do
      local raw = redis.call('LINDEX', a.q, head)
      if not raw then
        a.len, head = 0, 0
        a.h, a.c = {0, 0, 0}, {0, 0, 0}
        break
      end
      local time, amount = pair(raw)
      if time > edge then
        a.first[window] = time
        break
      end
      a.c[window] = a.c[window] - amount
      head = head + 1
    end
    a.h[window] = head
  end
  local gone = a.h[3]
  if gone > 0 then
    redis.call('LTRIM', a.q, gone, -1)
    a.shortened = true
    a.len = a.len - gone
    for window = 1, 3 do a.h[window] = a.h[window] - gone end
  end
  a.slot = 0
  while true do
    local raw = redis.call('LINDEX', a.u, 0)
    if not raw then
      a.used = 0
      break
    end
    local time, amount = pair(raw)
    if time > now - MINUTE then
      a.slot = time
      break
    end
    redis.call('LPOP', a.u)
    a.shortened = true
    a.used = a.used - amount
  end
end

local function save(a)
  redis.call('HSET', a.key, 'h1', a.h[1], 'h2', a.h[2], 'h3', a.h[3], 'c1', a.c[1], 'c2', a.c[2], 'c3', a.c[3], 'len', a.len,
    'last', text(a.last), 'used', text(a.used), 'held', text(a.held), 'r1', text(a.r1), 'r2', text(a.r2), 'until', text(a.until_),
    'cooled', text(a.cooled))
  redis.call('PEXPIRE', a.key, KEEP_MS)
  redis.call('PEXPIRE', a.q, KEEP_MS)
  redis.call('PEXPIRE', a.u, KEEP_MS)
end

local function open(scope)
  local base = prefix .. scope
  local a = {scope = scope, key = base .. ':a', q = base .. ':q', u = base .. ':u', w = base .. ':w', first = {0, 0, 0}}
  local f = redis.call('HMGET', a.key, 'h1', 'h2', 'h3', 'c1', 'c2', 'c3', 'len', 'last', 'used', 'held', 'r1', 'r2', 'until', 'cooled')
  a.known = f[1] and true or false
  for place = 1, 14 do f[place] = tonumber(f[place] or 0) end
  a.h, a.c = {f[1], f[2], f[3]}, {f[4], f[5], f[6]}
  a.len, a.last, a.used, a.held, a.r1, a.r2, a.until_, a.cooled = f[7], f[8], f[9], f[10], f[11], f[12], f[13], f[14]
  if a.last > now + JUMP or a.r2 > now + JUMP then
    rebase(a)
    a.shortened = true
  end
  advance(a)
  if a.shortened then save(a) end -- the counts must match the lists, whatever becomes of the operation
  return a
end

local function wait_of(a, rules, hold)
  local longest, name = 0, 1
  for window = 1, 3 do
    local surplus = a.c[window] - rules[window]
    if surplus >= 0 then
      local place = a.h[window]
      local time, amount = pair(redis.call('LINDEX', a.q, place))
      while surplus >= amount do
        surplus, place = surplus - amount, place + 1
        time, amount = pair(redis.call('LINDEX', a.q, place))
      end
      local wait = time + WINDOW[window] - now
      if wait > longest then longest, name = wait, window end
    end
  end
  local excess = a.used + a.held + hold - rules[4]
  if excess > 0 then
    local wait = HELD_BACK
    for _, each in ipairs(pairs_of(a.u)) do
      excess = excess - each[2]
      if excess <= 0 then
        wait = each[1] + MINUTE - now
        break
      end
    end
    if wait > longest then longest, name = wait, 4 end
  end
  return longest, name
end

local function charge(a, ends, tokens)
  if tokens <= 0 then return end
  a.used = a.used + tokens
  local raw = redis.call('LINDEX', a.u, -1)
  if raw then
    local time, amount = pair(raw)
    if time >= ends then
      redis.call('LSET', a.u, -1, text(time) .. ':' .. text(amount + tokens))
      return
    end
  else
    a.slot = ends
  end
  redis.call('RPUSH', a.u, text(ends) .. ':' .. text(tokens))
end

local function grant(a, grain, hold)
  local time = now
  if grain > 0 then time = (math.floor(now / grain) + 1) * grain end
  if a.len > 0 and a.last >= time then
    local last, amount = pair(redis.call('LINDEX', a.q, -1))
    redis.call('LSET', a.q, -1, packed(last, amount + 1))
    time = last
  else
    redis.call('RPUSH', a.q, text(time))
    a.len, a.last = a.len + 1, time
  end
  for window = 1, 3 do
    a.c[window] = a.c[window] + 1
    if a.first[window] == 0 then a.first[window] = time end
  end
  a.held = a.held + hold
end

local function refuse(a, cooldown)
  local edge = now - MINUTE
  local recent = {}
  if a.r1 > edge then recent[#recent + 1] = a.r1 end
  if a.r2 > edge then recent[#recent + 1] = a.r2 end
  if #recent + 1 < REFUSALS then
    recent[#recent + 1] = now
    a.r1, a.r2 = recent[2] and recent[1] or 0, recent[2] or recent[1]
    return false
  end
  a.r1, a.r2, a.until_, a.cooled = 0, 0, now + cooldown, cooldown
  return true
end

-- Who waits for a limit that callers share, as limits/sharing.py has it: until, what it had (three windows, tokens), weight, and how many
-- requests and tokens it wanted.
local function numbers_in(raw)
  local found = {}
  for each in string.gmatch(raw, '%d+') do found[#found + 1] = tonumber(each) end
  return found
end

local function put_waiter(a, who, waiter)
  for place, each in ipairs(waiter) do waiter[place] = text(each) end
  redis.call('HSET', a.w, who, table.concat(waiter, ':'))
  redis.call('PEXPIRE', a.w, KEEP_MS)
end

local function waiters_of(a)
  local found, raw = {}, redis.call('HGETALL', a.w)
  for place = 1, #raw, 2 do
    local waiter = numbers_in(raw[place + 1])
    local rest = waiter[1] - now
    if rest > 0 and rest <= LONGEST then found[raw[place]] = waiter else redis.call('HDEL', a.w, raw[place]) end
  end
  return found
end

local function had(a) return {a.c[1], a.c[2], a.c[3], a.used + a.held} end

local function left_for(rules, a, first, weight)
  local others, total, mine, left = {}, weight, had(first), {unpack(rules)}
  for who, waiter in pairs(waiters_of(a)) do
    if who ~= first.scope then
      others[#others + 1] = waiter
      total = total + waiter[6]
    end
  end
  if #others == 0 then return rules end
  for place = 1, 4 do
    local limit, kept = rules[place], 0
    if limit <= PARTED and mine[place] * total >= limit * weight then
      for _, waiter in ipairs(others) do
        local part = math.max(0, math.floor(limit * waiter[6] / total) - waiter[place + 1])
        kept = kept + math.min(place == 4 and waiter[8] or waiter[7], part)
      end
      left[place] = math.max(1, limit - kept)
    end
  end
  return left
end

local function note_waiter(a, first, weight, hold, wait)
  local known, use = waiters_of(a)[first.scope], had(first)
  if not known and redis.call('HLEN', a.w) >= WAITERS then return end
  known = known or {0, 0, 0, 0, 0, 0, 0, 0}
  local ends = now + wait + math.floor(wait / 10) + GRACE
  put_waiter(a, first.scope, {ends, use[1], use[2], use[3], use[4], weight, known[7] + 1, known[8] + hold})
end

local function let_in(a, first, hold)
  local raw = redis.call('HGET', a.w, first.scope)
  if not raw then return end
  local known = numbers_in(raw)
  if known[7] <= 1 then
    redis.call('HDEL', a.w, first.scope)
    return
  end
  local use = had(first)
  put_waiter(a, first.scope, {known[1], use[1], use[2], use[3], use[4], known[6], known[7] - 1, math.max(0, known[8] - hold)})
end

local function settle(name, tokens)
  local key = prefix .. 'r:' .. name
  local held = redis.call('HGETALL', key)
  if #held == 0 then return false end
  redis.call('DEL', key)
  redis.call('ZREM', prefix .. 'leases', name)
  for place = 1, #held, 2 do
    local a, hold = open(held[place]), tonumber(held[place + 1])
    a.held = math.max(0, a.held - hold)
    charge(a, slot_end(now), tokens or hold)
    save(a)
  end
  return true
end

local function answer(granted, a, refused, name, wait)
  local out = {granted, refused, name, wait}
  for window = 1, 3 do out[#out + 1] = a.c[window] end
  for window = 1, 3 do out[#out + 1] = a.first[window] > 0 and a.first[window] + WINDOW[window] - now or 0 end
  out[#out + 1] = a.used
  out[#out + 1] = a.held
  out[#out + 1] = a.slot > 0 and a.slot + MINUTE - now or 0
  out[#out + 1] = math.max(0, a.until_ - now)
  -- When this store began: another value tells a client that what it had counted here is lost.
  local epoch = redis.call('GET', prefix .. 'epoch')
  if not epoch then
    epoch = text(now)
    redis.call('SET', prefix .. 'epoch', epoch)
  end
  out[#out + 1] = tonumber(epoch)
  return out
end

-- name, lease, then burst, rpm, rph, tokens, cooldown, grain, weight (0: callers share it), hold of each scope.
local function reserve()
  local name, lease = ARGV[4], tonumber(ARGV[5])
  for _, late in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leases', '-inf', text(now), 'LIMIT', 0, REAPED)) do settle(late, nil) end
  local accounts, rules, holds = {}, {}, {}
  for place, scope in ipairs(KEYS) do
    accounts[place] = open(scope)
    local at = 6 + (place - 1) * 8
    local rule = {}
    for offset = 0, 6 do rule[offset + 1] = tonumber(ARGV[at + offset]) end
    rules[place], holds[place] = rule, tonumber(ARGV[at + 7])
  end
  if redis.call('EXISTS', prefix .. 'r:' .. name) == 1 then return answer(1, accounts[1], 0, 1, 0) end
  if redis.call('EXISTS', prefix .. 'x:' .. name) == 1 then return answer(0, accounts[1], 0, 1, 0) end
  for place, a in ipairs(accounts) do
    if a.until_ > now then return answer(0, accounts[1], place, 5, a.until_ - now) end
  end
  local refused, longest, limit, waits, own = 0, 0, 2, {}, false
  for place, a in ipairs(accounts) do
    local rule = rules[place]
    local shared = rule[7] == 0 and place > 1
    if shared then rule = left_for(rule, a, accounts[1], rules[1][7]) end
    local wait, which = wait_of(a, rule, holds[place])
    waits[place] = wait
    own = own or (not shared and wait > 0)
    if wait > longest then refused, longest, limit = place, wait, which end
  end
  if refused > 0 then
    for place, a in ipairs(accounts) do
      if waits[place] > 0 and not own then note_waiter(a, accounts[1], rules[1][7], holds[place], waits[place]) end
    end
    local cooling = 0
    for place, a in ipairs(accounts) do
      if rules[place][5] > 0 and waits[place] > 0 then
        if refuse(a, rules[place][5]) and cooling == 0 then cooling = place end
        save(a)
      end
    end
    if cooling > 0 then return answer(0, accounts[1], cooling, 5, math.max(longest, rules[cooling][5])) end
    return answer(0, accounts[1], refused, limit, longest)
  end
  local key = prefix .. 'r:' .. name
  for place, a in ipairs(accounts) do
    grant(a, rules[place][6], holds[place])
    if rules[place][7] == 0 and place > 1 then let_in(a, accounts[1], holds[place]) end
    save(a)
    redis.call('HINCRBY', key, a.scope, holds[place])
  end
  redis.call('PEXPIRE', key, KEEP_MS + math.floor(lease / 1000))
  redis.call('ZADD', prefix .. 'leases', text(now + lease), name)
  return answer(1, accounts[1], 0, 1, 0)
end

-- What was granted and used without this store: entries "R<age>:<how many>" and "T<age of the slot's end>:<tokens>".
local function merge()
  local a = open(KEYS[1])
  local log, slots = pairs_of(a.q), pairs_of(a.u)
  for place = 4, #ARGV do
    local kind, age, amount = string.sub(ARGV[place], 1, 1), pair(string.sub(ARGV[place], 2))
    if kind == 'R' then log[#log + 1] = {now - age, amount} else slots[#slots + 1] = {slot_end(now - age), amount} end
  end
  table.sort(log, by_time)
  table.sort(slots, by_time)
  relog(a, log)
  reslot(a, slots)
  advance(a)
  save(a)
  return 1
end

local function reset()
  local a = open(KEYS[1])
  if not a.known then return 0 end
  redis.call('DEL', a.q, a.u, a.w)
  a.h, a.c, a.len, a.last, a.used, a.r1, a.r2, a.until_, a.cooled = {0, 0, 0}, {0, 0, 0}, 0, 0, 0, 0, 0, 0, 0
  save(a)
  return 1
end

if op == 'reserve' then return reserve() end
if op == 'settle' then
  -- name, tokens ('': what was held), whether the reservation may still be on its way: then it must find a tombstone.
  local known = settle(ARGV[4], tonumber(ARGV[5]))
  if not known and ARGV[6] == '1' then redis.call('SET', prefix .. 'x:' .. ARGV[4], '1', 'PX', TOMBSTONE_MS) end
  return known and 1 or 0
end
if op == 'hello' then
  redis.call('SET', prefix .. 'hello', text(now), 'PX', TOMBSTONE_MS) -- a store that takes no writes is of no use
  return answer(1, open(KEYS[1]), 0, 1, 0)
end
if op == 'read' then
  local a = open(KEYS[1])
  if a.known then save(a) end
  return answer(1, a, 0, 1, 0)
end
if op == 'merge' then return merge() end
if op == 'reset' then return reset() end
return redis.error_reply('unknown operation')
