/* SPDX-License-Identifier: Apache-2.0 */
/* One AdmissionReview to one webhook. For src/apiserver/admission only. */
#pragma once

#include "apiserver/admission/hook_config.h"
#include "apiserver/admission/hook_review.h"
#include "apiserver/webhook.h"

typedef struct api_hook_call {
	/* set by the caller; the arena lives until done */
	api_webhooks *client;
	const api_hook *hook;
	sp_arena *arena;
	sp_str uid;
	bool mutating;
	void (*done)(struct api_hook_call *c); /* from the loop, once */
	void *arg;
	/* the outcome */
	bool failed; /* `why` follows `failed calling webhook "x": `; otherwise there is an answer */
	sp_str why;
	uint16_t status; /* of the HTTP answer; 0: none */
	api_review_answer answer;
	/* of hook_call.c */
	api_webhook_call call;
} api_hook_call;

/* Asks; `body` is referenced for the duration. */
void api_hook_call_start(api_hook_call *c, sp_bytes *body);
