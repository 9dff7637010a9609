/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to one webhook over HTTPS. For src/apiserver/admission only.
 * U: apiserver pkg/util/webhook/client.go, pkg/util/proxy/proxy.go (services).
 */
#pragma once

#include "apiserver/admission/hook_config.h"
#include "apiserver/admission/hook_review.h"

typedef struct api_hook_client api_hook_client;

sp_code api_hook_client_new(sp_world *w, sp_store *store, api_hook_client **ret, sp_err *err) SP_MUST_USE;
/* Cuts all calls (their `done` comes); then done, once. */
void api_hook_client_close(api_hook_client *c, void (*done)(void *arg), void *arg);
/* Before the first call or after close's done. NULL is a no-op. */
void api_hook_client_free(api_hook_client *c);

typedef struct api_hook_call {
	/* set by the caller; the arena lives until done */
	api_hook_client *client;
	const api_hook *hook;
	sp_arena *arena;
	sp_str uid;
	bool mutating;
	void (*done)(struct api_hook_call *c); /* from the loop, once */
	void *arg;
	/* the outcome */
	bool failed; /* `why` follows `failed calling webhook "x": `; otherwise there is an answer */
	sp_str why;
	api_review_answer answer;
	/* of hook_call.c */
	sp_str url, address;
	sp_defer later;
	bool settled;
} api_hook_call;

/* Asks; `body` is referenced for the duration. */
void api_hook_call_start(api_hook_call *c, sp_bytes *body);
