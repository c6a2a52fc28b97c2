# Vitrine behind Varnish 7.1 or later: a cache of permanent pictures, in memory. tests/test_caching.py runs this file.
# FILL IN marks what is yours. Varnish has no TLS and, without modules, no limits: set it behind a proxy that has both.
#
#   varnishd -a 127.0.0.1:6081 -f /etc/varnish/vitrine.vcl -s malloc,4g
#
# The service behind it:  VITRINE_FORWARDED_ALLOW_IPS=127.0.0.1 vitrine serve
vcl 4.1;

backend vitrine {
    .host = "127.0.0.1";
    .port = "8000";                         # FILL IN where the service listens
    .connect_timeout = 2s;
    .first_byte_timeout = 30s;              # more than VITRINE_DEADLINE_SECONDS
    .between_bytes_timeout = 10s;
}

sub vcl_recv {
    # In the place of whatever the client sent. FILL IN: behind a proxy, which has done so, take away the lines of
    # X-Forwarded-For and X-Forwarded-Proto. Varnish then adds the proxy's address, which the service knows.
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Proto = "http";
    unset req.http.X-Forwarded-Host;
    unset req.http.Forwarded;

    # For the operator alone, who asks the service itself. No address needs its letters escaped.
    if (req.url !~ "^/" || req.url ~ "(?i)^[^?]*%(4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])") {
        return (synth(400));
    }
    if (req.url ~ "^[^?]*/metrics" || req.url ~ "^[^?]*/admin(/|$|\?)") {
        return (synth(403));
    }

    # Who shows a key gets what the service answers to that key.
    if (req.http.Authorization || req.http.X-API-Key || (req.method != "GET" && req.method != "HEAD")) {
        return (pass);
    }
    # A signed address is a permission that ends: the service sees it each time.
    if (req.url ~ "[?&](expires|signature)=") {
        return (pass);
    }
    # Without a seed it is another picture each time: requests for it must not wait for each other.
    if (req.url ~ "^/samples(\.[a-z]+)?\?(?!(.*&)?seed=)") {
        return (pass);
    }
    # Permanent addresses: they name a version.
    if (req.url !~ "^[^?]*\?(.*&)?model=[^&]*(@|%40)[0-9]" && req.url !~ "^/manifold/[^?]*(@|%40)[0-9]") {
        return (pass);
    }
    unset req.http.Cookie;                  # the service has none: those of the site's other pages do not matter
    return (hash);                          # by host, and by path and query as they are
}

sub vcl_backend_response {
    if (bereq.uncacheable) {
        return (deliver);
    }
    # The picture that is kept is better than a failure.
    if (bereq.is_bgfetch && beresp.status >= 500) {
        return (abandon);
    }
    # The service has the last word: kept are pictures that never change, and no refusal.
    if (beresp.status != 200 || beresp.http.Cache-Control !~ "public, .*immutable") {
        set beresp.ttl = 1s;
        set beresp.grace = 0s;
        set beresp.uncacheable = true;      # for a second, requests for it do not wait for each other
        return (deliver);
    }
    set beresp.grace = 30d;                 # how long it is answered with while the service is gone
    unset beresp.http.X-Request-Id;         # of the request that it was drawn for
    return (deliver);
}

sub vcl_deliver {
    unset resp.http.Via;
    unset resp.http.X-Varnish;
    if (obj.uncacheable) {
        set resp.http.X-Cache = "PASS";
    } else if (obj.hits > 0) {
        set resp.http.X-Cache = "HIT";
    } else {
        set resp.http.X-Cache = "MISS";
    }
}
