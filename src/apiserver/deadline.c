/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/deadline.h"

#include "apiserver/flow/flow.h"
#include "apiserver/server_int.h"
#include "base/duration.h"

/* What upstream's HTTP library keeps of an answer whose handler is done: so much may still wait for its
 * reader. */
#define TAIL_BYTES 4096u

static void cut(api_request *r)
{
	if (!sp_http_is_ended(r->ex) || sp_http_queued(r->ex) > TAIL_BYTES)
		sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
}

static void on_late(sp_timer *t)
{
	api_request *r = t->arg;
	if (r->answered) {
		cut(r);
		return;
	}
	if (r->on_gone != NULL && r->state != NULL)
		r->on_gone(r);
	r->is_late = true;
	api_flow_leave(r);
	r->on_gone = NULL;
	r->state = NULL;
	r->on_writable = NULL;
	r->on_piece = NULL;
	r->on_whole = NULL;
	sp_status s = sp_status_timeout(r->arena,
					SP_STR("request did not complete within the allotted timeout"), 0);
	api_reply_status(r, &s);
}

bool api_deadline_begin(api_request *r)
{
	sp_err err;
	int64_t asked = 0;
	uint64_t ns = r->server->request_timeout_ns;
	sp_str text = sp_url_query_get(&r->query, SP_STR("timeout"));
	if (api_is_long_running(&r->info))
		return true;
	if (text.len > 0 && sp_duration_parse(text, &asked, &err) != SP_OK) {
		sp_status s = sp_status_bad_request(sp_arena_printf(
			r->arena, "invalid timeout specified in the request URL - %s", err.msg));
		api_reply_status(r, &s);
		return false;
	}
	if (asked > 0 && (uint64_t)asked < ns)
		ns = (uint64_t)asked;
	r->deadline_ns = r->began_ns + ns;
	r->deadline.arg = r;
	sp_timer_start(r->server->world, &r->deadline, ns, on_late);
	return true;
}

void api_deadline_end(api_request *r)
{
	sp_timer_stop(r->server->world, &r->deadline);
}
