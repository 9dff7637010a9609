/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to a server that somebody named in a clientConfig (admission webhooks, conversion webhooks),
 * over HTTPS: where it is, whom to trust, and what Go's HTTP client would say when it fails.
 * U: apiserver pkg/util/webhook/client.go, pkg/util/proxy/proxy.go (services).
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/json.h"
#include "io/world.h"
#include "store/store.h"

/* A clientConfig. */
typedef struct api_webhook_at {
	sp_str url; /* empty: the service below */
	sp_str service_ns, service, path;
	uint16_t port;
	sp_str ca_pem; /* empty: the machine's authorities */
} api_webhook_at;

/* Copies a clientConfig of a valid object. False: no room. */
bool api_webhook_at_read(sp_arena *a, yyjson_val *client, api_webhook_at *ret) SP_MUST_USE;

/* The connections of all of them. */
typedef struct api_webhooks api_webhooks;

sp_code api_webhooks_new(sp_world *w, sp_store *store, api_webhooks **ret, sp_err *err) SP_MUST_USE;
/* Cuts all calls (their `done` comes); then done, once. */
void api_webhooks_close(api_webhooks *c, void (*done)(void *arg), void *arg);
/* Before the first call or after close's done. NULL is a no-op. */
void api_webhooks_free(api_webhooks *c);

typedef struct api_webhook_call {
	/* set by the caller; what they point at lives until done */
	api_webhooks *client;
	const api_webhook_at *at;
	sp_arena *arena;
	uint32_t timeout_s; /* and the query ?timeout=Ns */
	size_t answer_bytes_max;
	/* The answer's text, when it is one of success; good during the call. Not called otherwise. */
	void (*answered)(struct api_webhook_call *c, sp_str body);
	void (*done)(struct api_webhook_call *c); /* from the loop, once */
	void *arg;
	/* the outcome */
	bool failed; /* there was no answer, and `why` says so in upstream's words */
	sp_str why;
	uint16_t status; /* of the HTTP answer; 0: there was none */
	/* of webhook.c */
	sp_str url, address;
	sp_defer later;
	bool settled;
} api_webhook_call;

/* Asks; `body` is referenced for the duration. */
void api_webhook_call_start(api_webhook_call *c, sp_bytes *body);
/* Instead of asking: `done` comes with `why`. */
void api_webhook_call_fail(api_webhook_call *c, sp_str why);
