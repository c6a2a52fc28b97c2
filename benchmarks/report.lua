-- Lets wrk ask by POST (arguments: method, body or @file, media type) and print its figures as JSON, exactly.
function init(arguments)
   local body = arguments[2]
   wrk.method = arguments[1] or "GET"
   if body then
      if body:sub(1, 1) == "@" then
         body = assert(io.open(body:sub(2), "rb")):read("*a")
      end
      wrk.body = body
      wrk.headers["Content-Type"] = arguments[3] or "application/json"
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   print(string.format(
      '{"requests": %d, "seconds": %f, "refused": %d, "broken": %d, "p50_ms": %f, "p99_ms": %f, "max_ms": %f}',
      summary.requests, summary.duration / 1e6,
      errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
