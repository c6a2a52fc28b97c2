-- Lets wrk ask for permanent pictures (arguments: address up to the seed's number, share of requests for popular
-- seeds, how many these are, the first seed of all others) and print its figures as report.lua does.
dofile((debug.getinfo(1, "S").source:match("@(.*/)") or "./") .. "report.lua")

local address, share, popular, others

function init(arguments)
   address, share, popular = arguments[1], tonumber(arguments[2]), tonumber(arguments[3])
   others = tonumber(arguments[4])
   math.randomseed(others)
end

function request()
   if math.random() < share then
      return wrk.format("GET", address .. math.random(1, popular))
   end
   others = others + 1
   return wrk.format("GET", address .. string.format("%d", others))
end
