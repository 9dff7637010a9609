/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/hook_call.h"

#include "base/limits.h"

#define ANSWER_BYTES_MAX (2 * SP_LIMIT_REQUEST_BODY_BYTES)

static void fail(api_hook_call *c, sp_str why)
{
	c->failed = true;
	c->why = why;
}

static void on_answer(api_webhook_call *call, sp_str body)
{
	api_hook_call *c = call->arg;
	sp_str why = {NULL, 0};
	sp_code code = api_review_read(c->arena, body, c->hook->name, c->uid, c->mutating, &c->answer, &why);
	if (code == SP_EINVAL)
		fail(c, why);
	else if (code != SP_OK)
		fail(c, SP_STR("failed to call webhook: the response is too large"));
}

static void on_done(api_webhook_call *call)
{
	api_hook_call *c = call->arg;
	c->status = call->status;
	if (call->failed)
		fail(c, sp_arena_printf(c->arena, "failed to call webhook: " SP_FMT, SP_ARG(call->why)));
	c->done(c);
}

/* Without the words of a call that failed. */
static void on_refused(api_webhook_call *call)
{
	api_hook_call *c = call->arg;
	fail(c, call->why);
	c->done(c);
}

void api_hook_call_start(api_hook_call *c, sp_bytes *body)
{
	c->call = (api_webhook_call){.client = c->client,
				     .at = &c->hook->at,
				     .arena = c->arena,
				     .timeout_s = c->hook->timeout_s,
				     .answer_bytes_max = ANSWER_BYTES_MAX,
				     .answered = on_answer,
				     .done = on_done,
				     .arg = c};
	if (c->hook->knows_v1) {
		api_webhook_call_start(&c->call, body);
		return;
	}
	c->call.done = on_refused;
	api_webhook_call_fail(&c->call, SP_STR("could not create admission objects: webhook does not accept "
					       "known AdmissionReview versions (v1)"));
}
