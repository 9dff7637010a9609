/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request passed on to another HTTP server and its response passed back, with bodies both ways under
 * back-pressure, upgrades (the two connections are then joined), interim responses and trailers. What pods,
 * services, nodes and aggregated APIs are reached by. U: apimachinery pkg/util/proxy, upgradeaware.go and
 * transport.go; Go's httputil.ReverseProxy.
 *
 * Nothing is buffered beyond the queues of the two exchanges (256 KiB each). What is passed on may last,
 * unless the target has a deadline. When one side goes the other is ended, too.
 */
#pragma once

#include "apiserver/request.h"
#include "io/tls.h"

/* ---- all of a server's ---- */

typedef struct api_proxies api_proxies;

sp_code api_proxies_new(sp_world *w, api_proxies **ret, sp_err *err) SP_MUST_USE;
/* Cuts everything that is under way; done comes once, from the loop, when nothing is left. */
void api_proxies_close(api_proxies *p, void (*done)(void *arg), void *arg);
/* Before the first request or after close's done. NULL is a no-op. */
void api_proxies_free(api_proxies *p);
/* The client that all requests go by, for requests that are more than passed on. */
sp_http_client *api_proxies_client(api_proxies *p);

/* Something that may outlive its request: joined connections, a translation. Embedded. */
typedef struct api_proxy_job {
	sp_list node;
	api_proxies *owner;
	void (*abort)(struct api_proxy_job *j); /* soon ends it */
} api_proxy_job;

void api_proxy_job_begin(api_proxies *p, api_proxy_job *j, void (*abort)(api_proxy_job *j));
/* It is over; its memory may go. */
void api_proxy_job_end(api_proxy_job *j);

/* ---- one request ---- */

typedef enum api_proxy_fault {
	API_PROXY_UNREACHED,  /* no connection, or it broke before there was an answer; err says why */
	API_PROXY_NO_UPGRADE, /* an upgrade was asked for and answered with a status below 400 */
} api_proxy_fault;

typedef struct api_proxy_target api_proxy_target;

struct api_proxy_target {
	sp_str scheme;      /* "http" or "https" */
	sp_str address;     /* "host:port" to connect to */
	sp_str server_name; /* https: whom the certificate names; empty: the host of address */
	/* https: stays until no connection of its origin is left, which is 90 s after the last request, or
	 * until the proxies are closed. Without h2 among its protocols where upgrades come by. */
	sp_tls_config *tls;
	sp_str host; /* the Host it is told; empty: the one that our client named */
	sp_str path; /* path and query, encoded; empty: "/" */
	/* Fields that take the place of all of the client's of that name. Names in lower case. */
	const sp_http_header *headers;
	size_t n_headers;
	sp_str drop; /* fields of the client whose names begin so stay behind ("sec-websocket-"); empty: none
		      */
	/* Upstream's WrapTransport: X-Forwarded-Uri is told, CORS fields are taken away, and Location and the
	 * links of HTML that point at the server itself are led through the proxy: `prefix` is put in front
	 * of their paths (no slash at its end). Not for upgrades. */
	bool rewrite;
	sp_str prefix;
	uint64_t deadline_ns; /* monotonic; 0: none. API_PROXY_UNREACHED with SP_ETIMEOUT */
	bool no_redirects;    /* a redirect of the server is answered with 502 */
	/* The client asks for a WebSocket that carries SPDY ("SPDY/3.1+portforward.k8s.io"), the server is
	 * asked for SPDY, by POST. U: apiserver pkg/util/proxy/streamtunnel.go */
	bool spdy_in_websocket;
	/* Answers in place of the server: nothing was answered yet. err may be NULL. */
	void (*fail)(api_request *r, const api_proxy_target *t, api_proxy_fault fault, uint16_t status,
		     const sp_err *err);
	void *arg; /* of `fail` */
};

/* Answers r by what the target answers. Everything in t but tls is copied or in r's arena. The body of r has
 * not been read. */
void api_proxy(api_request *r, const api_proxy_target *t);

/* ---- parts ---- */

/* A path as Go's URL.EscapedPath writes it: what may not stand in one as %XX. Errors are the buffer's. */
sp_code api_proxy_escape_path(sp_buf *out, sp_str path);
/* The fields of a request to pass on, in r's arena: not those of the connection, not credentials, not whom a
 * client says to be (api_header_names_user); with X-Forwarded-For. NULL: no room. */
sp_http_header *api_proxy_fields(api_request *r, const api_proxy_target *t, size_t *ret_n);
/* "10.0.0.1" of "10.0.0.1:4711", "::1" of "[::1]:4711". */
sp_str api_proxy_host_of(sp_str address);
/* Why a server was not reached, in Go's words: "dial tcp 10.0.0.1:80: connect: connection refused". */
sp_str api_proxy_why(sp_arena *a, sp_str address, const sp_err *err);
/* How long one direction of joined connections may go on when the other has ended. */
#define API_PROXY_LINGER_NS UINT64_C(10000000000)
