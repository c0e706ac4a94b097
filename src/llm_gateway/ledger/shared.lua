-- Budgets in Redis or Valkey: what every process has spent on an account and holds there. Amounts are whole nano-dollars.
--
-- KEYS: accounts. ARGV: operation, prefix, now in microseconds ('' in production: the server's own time), then what the operation takes;
-- with most, the name of the process and its generation come first: what an older generation says is not heard.
-- An account is a hash: s:<process> and h:<process> (spent and held), spent and held (their sums), loaded (the ledger was read).
-- <prefix>:alive and <prefix>:generation are hashes by process. All keys share the hash tag in the prefix.

local DEAD, SETTLE = 15000000, 6000000
local FORGOTTEN = 86400000000
local REFUSED, GRANTED, SETTLING, ABSENT, UNHEARD = 0, 1, 2, 3, 4

local op, prefix = ARGV[1], ARGV[2]
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local me, generation = ARGV[4], tonumber(ARGV[5])

local function text(number) return string.format('%.0f', number) end
local function number(key, field) return tonumber(redis.call('HGET', key, field) or 0) end

-- When this store began: another value tells a process that what it had said here is lost.
local function epoch()
  local since = redis.call('GET', prefix .. 'epoch')
  if not since then
    since = text(now)
    redis.call('SET', prefix .. 'epoch', since)
  end
  return tonumber(since)
end

local function answer(...)
  local out = {...}
  out[#out + 1] = epoch()
  return out
end

-- A field of a process and the sum that it is part of. Gives by how much it changed.
local function set(key, kind, sum, process, amount)
  local field = kind .. process
  local change = amount - number(key, field)
  if change ~= 0 then
    redis.call('HSET', key, field, text(amount), sum, text(number(key, sum) + change))
  end
  return change
end

local function is_dead(process)
  local seen = tonumber(redis.call('HGET', prefix .. 'alive', process) or 0)
  return seen < now - DEAD
end

-- The dead among those who hold something in an account.
local function dead_holders(key)
  local found, fields = {}, redis.call('HGETALL', key)
  for place = 1, #fields, 2 do
    local process = string.match(fields[place], '^h:(.*)$')
    if process and process ~= me and tonumber(fields[place + 1]) > 0 and is_dead(process) then found[#found + 1] = process end
  end
  return found
end

if op == 'hello' then
  redis.call('SET', prefix .. 'hello', text(now), 'PX', 60000) -- a store that takes no writes is of no use
  local alive = redis.call('HGETALL', prefix .. 'alive')
  for place = 1, #alive, 2 do
    if tonumber(alive[place + 1]) < now - FORGOTTEN then
      redis.call('HDEL', prefix .. 'alive', alive[place])
      redis.call('HDEL', prefix .. 'generation', alive[place])
    end
  end
  return answer(1)
end

if op == 'read' then
  local key = prefix .. KEYS[1]
  return answer(redis.call('HEXISTS', key, 'loaded'), number(key, 'spent'), number(key, 'held'))
end

if generation < number(prefix .. 'generation', me) then return {UNHEARD, -1} end -- no store of that age: it begins anew
redis.call('HSET', prefix .. 'alive', me, text(now))

-- What a process says of itself after it was not heard for a while: KEYS may be empty. spent, held and time to live of each.
if op == 'sync' then
  redis.call('HSET', prefix .. 'generation', me, generation)
  for place, name in ipairs(KEYS) do
    local key, at = prefix .. name, 6 + (place - 1) * 3
    set(key, 's:', 'spent', me, tonumber(ARGV[at]))
    set(key, 'h:', 'held', me, tonumber(ARGV[at + 1]))
    redis.call('PEXPIRE', key, ARGV[at + 2])
  end
  return answer(1)
end

-- amount, then limit, what this process has spent, and time to live of each account.
if op == 'reserve' then
  local amount, absent = tonumber(ARGV[6]), {}
  local began = epoch()
  if now < began + SETTLE and now >= began then return answer(SETTLING, began + SETTLE - now) end
  for place, name in ipairs(KEYS) do
    if redis.call('HEXISTS', prefix .. name, 'loaded') == 0 then absent[#absent + 1] = place end
  end
  if #absent > 0 then return answer(ABSENT, unpack(absent)) end
  for place, name in ipairs(KEYS) do
    local key, at = prefix .. name, 7 + (place - 1) * 3
    set(key, 's:', 'spent', me, tonumber(ARGV[at + 1]))
    local spent, held = number(key, 'spent'), number(key, 'held')
    if spent + held + amount > tonumber(ARGV[at]) then return answer(REFUSED, place, spent, held, unpack(dead_holders(key))) end
  end
  local standings = {GRANTED}
  for place, name in ipairs(KEYS) do
    local key, at = prefix .. name, 7 + (place - 1) * 3
    set(key, 'h:', 'held', me, number(key, 'h:' .. me) + amount)
    redis.call('PEXPIRE', key, ARGV[at + 2])
    standings[#standings + 1] = number(key, 'spent')
    standings[#standings + 1] = number(key, 'held')
  end
  return answer(unpack(standings))
end

-- what this process has spent on the account, what it holds no more, time to live.
if op == 'settle' then
  local key = prefix .. KEYS[1]
  local change = set(key, 's:', 'spent', me, tonumber(ARGV[6]))
  set(key, 'h:', 'held', me, math.max(number(key, 'h:' .. me) - tonumber(ARGV[7]), 0))
  redis.call('PEXPIRE', key, ARGV[8])
  return answer(1, number(key, 'spent'), change)
end

-- time to live, then process and amount by turns: what the ledger says of those who have not said it here themselves.
if op == 'load' then
  local key = prefix .. KEYS[1]
  for place = 7, #ARGV, 2 do
    if redis.call('HEXISTS', key, 's:' .. ARGV[place]) == 0 then set(key, 's:', 'spent', ARGV[place], tonumber(ARGV[place + 1])) end
  end
  redis.call('HSET', key, 'loaded', '1')
  redis.call('PEXPIRE', key, ARGV[6])
  return answer(1)
end

-- process and amount: a process is dead; what the ledger says of it counts, running calls with what they held included.
if op == 'bury' then
  local key = prefix .. KEYS[1]
  if is_dead(ARGV[6]) then
    set(key, 's:', 'spent', ARGV[6], tonumber(ARGV[7]))
    set(key, 'h:', 'held', ARGV[6], 0)
    redis.call('HINCRBY', prefix .. 'generation', ARGV[6], 1) -- should it live after all, it must say everything again
  end
  return answer(1)
end

if op == 'beat' then return answer(1) end
return redis.error_reply('unknown operation')
