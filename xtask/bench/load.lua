-- What wrk asks for and what it tells: `wrk … -s load.lua URL [-- FILES]`.
-- With a number of files, each is asked for by its id, in an order that jumps between pages.

local files
local number = 0

function init(args)
  files = tonumber(args[1])
end

function request()
  if not files then
    return wrk.format()
  end
  number = (number + 7919) % files
  return wrk.format(nil, string.format("%s019a0000-0000-0000-0000-%012x", wrk.path, number + 1))
end

-- Times are in microseconds.
function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local function tell(name, figure)
    io.write(string.format("figure %s %.6f\n", name, figure))
  end
  tell("failed", failed)
  tell("answers_per_s", summary.requests * 1e6 / summary.duration)
  tell("bytes_per_s", summary.bytes * 1e6 / summary.duration)
  tell("p50_ms", latency:percentile(50) / 1000)
  tell("p99_ms", latency:percentile(99) / 1000)
end
