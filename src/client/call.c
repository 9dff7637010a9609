/* SPDX-License-Identifier: Apache-2.0 */
#include "client/call.h"

#include "base/alloc.h"
#include "base/num.h"
#include "client/client_int.h"

#define NS_PER_S UINT64_C(1000000000)
#define WITHIN_NS (30 * NS_PER_S)
#define ANSWER_BYTES ((size_t)16 << 20)
#define TRIES_MAX 10u /* after the first, as client-go */
#define PATH_BYTES_MAX ((size_t)64 << 10)
#define STATUS_BYTES_MAX ((size_t)64 << 20)

typedef struct sp_call_run {
	sp_client *client; /* may be gone when it is canceled: */
	sp_client *root;   /* not so */
	sp_call *call;     /* NULL: canceled */
	sp_list node;
	sp_http_exchange *ex;
	sp_timer again;
	sp_defer ended; /* an end that may not come from inside the call that asked */
	client_req req;
	sp_buf path, answer;
	sp_bytes *body;
	sp_buf read_path; /* of SP_ASK_MERGE_UPDATE */
	bool reads;       /* it is at its first half, the body is the patch */
	bool as_cache;
	uint32_t n_tries;
	bool asked_token;
	uint16_t status;
	uint32_t retry_after_s;
	char content_type[96];
	sp_err err;
} sp_call_run;

/* ---- what verbs are ---- */

static const struct verb {
	const char *method, *type;
} verbs[] = {
	[SP_ASK_GET] = {"GET", ""},
	[SP_ASK_LIST] = {"GET", ""},
	[SP_ASK_CREATE] = {"POST", "application/json"},
	[SP_ASK_UPDATE] = {"PUT", "application/json"},
	[SP_ASK_JSON_PATCH] = {"PATCH", "application/json-patch+json"},
	[SP_ASK_MERGE_PATCH] = {"PATCH", "application/merge-patch+json"},
	[SP_ASK_STRATEGIC_PATCH] = {"PATCH", "application/strategic-merge-patch+json"},
	[SP_ASK_MERGE_UPDATE] = {"PUT", "application/json"},
	[SP_ASK_APPLY] = {"PATCH", "application/apply-patch+yaml"},
	[SP_ASK_DELETE] = {"DELETE", "application/json"},
	[SP_ASK_DELETE_ALL] = {"DELETE", "application/json"},
};

sp_code sp_code_of_status(sp_str reason, uint16_t http_status)
{
	static const struct {
		const char *reason;
		sp_code code;
	} reasons[] = {
		{"NotFound", SP_ENOTFOUND},
		{"AlreadyExists", SP_EEXISTS},
		{"Conflict", SP_ECONFLICT},
		{"Expired", SP_EGONE},
		{"Gone", SP_EGONE},
		{"Forbidden", SP_EFORBIDDEN},
		{"Unauthorized", SP_EUNAUTH},
		{"RequestEntityTooLarge", SP_ETOOLARGE},
		{"TooManyRequests", SP_ETOOMANY},
		{"Timeout", SP_ETIMEOUT},
		{"ServerTimeout", SP_ETIMEOUT},
		{"ServiceUnavailable", SP_EUNAVAILABLE},
		{"Invalid", SP_EINVAL},
		{"BadRequest", SP_EINVAL},
		{"InternalError", SP_EINTERNAL},
		{"MethodNotAllowed", SP_EUNSUPPORTED},
	};
	static const struct {
		uint16_t status;
		sp_code code;
	} statuses[] = {
		{400, SP_EINVAL},       {401, SP_EUNAUTH},      {403, SP_EFORBIDDEN}, {404, SP_ENOTFOUND},
		{405, SP_EUNSUPPORTED}, {406, SP_EUNSUPPORTED}, {409, SP_ECONFLICT},  {410, SP_EGONE},
		{413, SP_ETOOLARGE},    {415, SP_EUNSUPPORTED}, {422, SP_EINVAL},     {429, SP_ETOOMANY},
		{502, SP_EUNAVAILABLE}, {503, SP_EUNAVAILABLE}, {504, SP_ETIMEOUT},
	};
	for (size_t i = 0; i < SP_LEN(reasons); i++) {
		if (sp_str_eq(reason, sp_str_c(reasons[i].reason)))
			return reasons[i].code;
	}
	for (size_t i = 0; i < SP_LEN(statuses); i++) {
		if (statuses[i].status == http_status)
			return statuses[i].code;
	}
	return SP_EINTERNAL;
}

client_status client_read_status(yyjson_val *root)
{
	client_status s = {.code = 0};
	if (!sp_str_eq(sp_json_str(sp_json_last(root, SP_STR("kind"))), SP_STR("Status")))
		return s;
	s.reason = sp_json_str(sp_json_last(root, SP_STR("reason")));
	s.message = sp_json_str(sp_json_last(root, SP_STR("message")));
	s.continue_token =
		sp_json_str(sp_json_last(sp_json_last(root, SP_STR("metadata")), SP_STR("continue")));
	int64_t code = yyjson_get_sint(sp_json_last(root, SP_STR("code")));
	s.code = code > 0 && code < 1000 ? (uint16_t)code : 0;
	int64_t after = yyjson_get_sint(
		sp_json_last(sp_json_last(root, SP_STR("details")), SP_STR("retryAfterSeconds")));
	s.retry_after_s = after > 0 && after < INT32_MAX ? (uint32_t)after : 0;
	return s;
}

/* ---- ends ---- */

static void run_free(sp_call_run *r)
{
	sp_client *c = r->root;
	sp_list_remove(&r->node);
	sp_timer_stop(c->world, &r->again);
	sp_defer_cancel(&r->ended);
	sp_bytes_unref(r->body);
	sp_buf_done(&r->path);
	sp_buf_done(&r->read_path);
	sp_buf_done(&r->answer);
	sp_free(r);
	client_check_closed(c);
}

/* "GET /api/v1/pods: text" */
static void describe(const sp_call_run *r, sp_code code, sp_str message, sp_err *ret)
{
	sp_str path = sp_buf_view(r->reads ? &r->read_path : &r->path), head;
	sp_str method = r->reads ? SP_STR("GET") : r->req.method;
	if (sp_str_cut(&path, '?', &head))
		path = head;
	(void)sp_fail(ret, code, SP_FMT " " SP_FMT ": " SP_FMT, SP_ARG(method), SP_ARG(path),
		      SP_ARG(message));
}

/* A failure that the server answered. */
static void read_failure(const sp_call_run *r, sp_arena *scratch, sp_answer *a, sp_err *err)
{
	yyjson_val *root;
	client_status s = {.code = 0};
	if (sp_json_parse(scratch, a->body, &root, NULL) == SP_OK)
		s = client_read_status(root);
	a->reason = s.reason;
	a->message = s.message.len > 0 ? s.message : sp_str_trim(a->body);
	if (a->message.len == 0)
		a->message = sp_http_reason(r->status);
	if (a->retry_after_s == 0)
		a->retry_after_s = s.retry_after_s;
	a->code = sp_code_of_status(a->reason, r->status);
	describe(r, a->code, a->message, err);
}

/* Tells the owner; the run is gone afterwards. */
static void finish(sp_call_run *r)
{
	sp_call *call = r->call;
	sp_answer a = {.status = r->status,
		       .body = sp_buf_view(&r->answer),
		       .content_type = sp_str_c(r->content_type),
		       .retry_after_s = r->retry_after_s,
		       .code = r->err.code};
	sp_arena scratch;
	sp_err err = {0};
	if (call == NULL) {
		run_free(r);
		return;
	}
	sp_arena_init(&scratch, STATUS_BYTES_MAX);
	if (a.code != SP_OK) {
		a.status = 0;
		describe(r, a.code, sp_str_c(r->err.msg), &err);
		err.sys_errno = r->err.sys_errno;
		a.message = sp_str_c(r->err.msg);
	} else if (r->status >= 300) {
		read_failure(r, &scratch, &a, &err);
	}
	a.err = a.code == SP_OK ? NULL : &err;
	call->run = NULL;
	sp_list_remove(&r->node); /* not counted as under way in done, which may close the client */
	call->done(call, &a);
	sp_arena_done(&scratch);
	run_free(r);
}

static void on_ended(sp_defer *d)
{
	finish(d->arg);
}

static void end_later(sp_call_run *r)
{
	sp_defer_call(r->root->world, &r->ended);
}

/* ---- tries ---- */

static void attempt(sp_call_run *r);

static void on_again(sp_timer *t)
{
	attempt(t->arg);
}

static sp_client *who(const sp_call_run *r)
{
	return r->reads || r->as_cache ? r->root : r->client;
}

/* Whether to wait and ask again. */
static bool tries_again(sp_call_run *r)
{
	sp_client *c = who(r);
	uint64_t wait_s = r->retry_after_s;
	bool is_busy = (r->status == 429 || r->status >= 500) && wait_s > 0;
	if (r->call == NULL || r->err.code != SP_OK || r->n_tries >= TRIES_MAX || r->root->closing)
		return false;
	if (r->status == 401 && !r->asked_token && client_refresh_token(c)) {
		r->asked_token = true;
		wait_s = 1;
	} else if (!is_busy) {
		return false;
	}
	if (sp_now_ns(c->world) + wait_s * NS_PER_S >= r->req.deadline_ns)
		return false;
	r->n_tries++;
	sp_timer_start(c->world, &r->again, wait_s * NS_PER_S, on_again);
	return true;
}

static void on_response(sp_http_exchange *ex)
{
	sp_call_run *r = ex->arg;
	uint64_t after;
	sp_str type = sp_http_get(&ex->headers, SP_HTTP_CONTENT_TYPE);
	r->status = ex->status;
	client_answered(r->root);
	size_t n = SP_MIN(type.len, sizeof r->content_type - 1);
	for (size_t i = 0; i < n; i++)
		r->content_type[i] = type.ptr[i];
	r->content_type[n] = '\0';
	if (sp_parse_u64(sp_http_get(&ex->headers, SP_HTTP_RETRY_AFTER), 0, UINT32_MAX, &after, NULL) ==
	    SP_OK)
		r->retry_after_s = (uint32_t)after;
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	sp_call_run *r = ex->arg;
	if (r->err.code != SP_OK)
		return;
	if (sp_buf_append(&r->answer, bytes, n) == SP_OK)
		return;
	(void)sp_fail(&r->err, sp_buf_code(&r->answer), "the answer is larger than %zu bytes",
		      r->answer.limit_bytes);
	sp_http_reset(ex, SP_HTTP2_CANCEL);
}

/* What was read becomes what is written. False: it can't, r->err says why. */
static bool write_next(sp_call_run *r)
{
	sp_bytes *body = NULL;
	if (client_merge_update(sp_buf_view(&r->answer), sp_bytes_view(r->body), &body, &r->err) != SP_OK)
		return false;
	sp_bytes_unref(r->body);
	r->body = r->req.body = body;
	r->reads = false;
	r->asked_token = false; /* another identity, and a request of its own */
	r->n_tries = 0;
	return true;
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	sp_call_run *r = ex->arg;
	r->ex = NULL;
	if (err != NULL && r->err.code == SP_OK)
		r->err = *err;
	if (r->call != NULL && r->reads && r->err.code == SP_OK && r->status == 200 && write_next(r))
		attempt(r);
	else if (!tries_again(r))
		finish(r);
}

static void attempt(sp_call_run *r)
{
	static const sp_http_events events = {
		.on_response = on_response, .on_body = on_body, .on_close = on_close};
	client_req req = r->req;
	r->status = 0;
	r->retry_after_s = 0;
	sp_buf_clear(&r->answer);
	req.path = sp_buf_view(r->reads ? &r->read_path : &r->path);
	if (r->reads) {
		req.method = SP_STR("GET");
		req.type = SP_STR("");
		req.body = NULL;
	}
	if (client_request(who(r), &req, &events, r, &r->ex, &r->err) != SP_OK) {
		r->ex = NULL;
		end_later(r);
	}
}

/* ---- beginning ---- */

static sp_code build_path(sp_call_run *r, const sp_ask *q)
{
	SP_AUTO_BUF query;
	sp_buf_init(&query, PATH_BYTES_MAX);
	(void)sp_buf_str(&query, q->query);
	sp_str manager = q->manager;
	if (manager.len == 0 && q->verb == SP_ASK_APPLY)
		manager = r->client->manager;
	if (manager.len > 0)
		(void)sp_query_add(&query, "fieldManager", manager);
	if (q->force)
		(void)sp_query_add(&query, "force", SP_STR("true"));
	if (q->dry_run)
		(void)sp_query_add(&query, "dryRun", SP_STR("All"));
	if (q->path.len > 0)
		(void)sp_buf_str(&r->path, q->path);
	else
		(void)client_path(&r->path, &q->gvr, q->ns, q->name, q->subresource);
	if (query.len > 0) {
		(void)sp_buf_char(&r->path, '?');
		(void)sp_buf_str(&r->path, sp_buf_view(&query));
	}
	return sp_buf_code(&query) != SP_OK ? sp_buf_code(&query) : sp_buf_code(&r->path);
}

/* The list of one. */
static sp_code build_read_path(sp_call_run *r, const sp_ask *q)
{
	SP_AUTO_BUF query, field;
	sp_buf_init(&query, PATH_BYTES_MAX);
	sp_buf_init(&field, PATH_BYTES_MAX);
	SP_ASSERT(q->name.len > 0);
	r->reads = true;
	(void)sp_buf_str(&field, SP_STR("metadata.name="));
	SP_TRY(sp_buf_str(&field, q->name));
	SP_TRY(sp_query_add(&query, "fieldSelector", sp_buf_view(&field)));
	(void)client_path(&r->read_path, &q->gvr, q->ns, SP_STR(""), SP_STR(""));
	(void)sp_buf_char(&r->read_path, '?');
	return sp_buf_str(&r->read_path, sp_buf_view(&query));
}

static sp_code prepare(sp_call_run *r, const sp_ask *q)
{
	const struct verb *v = &verbs[q->verb];
	r->as_cache = q->as_cache;
	SP_TRY(build_path(r, q));
	if (q->verb == SP_ASK_MERGE_UPDATE)
		SP_TRY(build_read_path(r, q));
	if (q->bytes != NULL)
		r->body = sp_bytes_ref(q->bytes);
	else if (q->body.len > 0)
		r->body = sp_bytes_try_dup(q->body);
	if (r->body == NULL && q->body.len > 0)
		return sp_fail(&r->err, SP_ENOMEM, "no memory for a body of %zu bytes", q->body.len);
	uint64_t within = q->within_ns == 0 ? WITHIN_NS : q->within_ns;
	r->req = (client_req){.method = sp_str_c(v->method),
			      .accept = q->accept.len > 0 ? q->accept : SP_STR("application/json"),
			      .type = r->body != NULL ? sp_str_c(v->type) : SP_STR(""),
			      .body = r->body,
			      .deadline_ns = sp_now_ns(r->client->world) + within};
	return SP_OK;
}

void sp_call_start(sp_client *c, sp_call *call, const sp_ask *ask)
{
	SP_ASSERT(call->run == NULL);
	sp_call_run *r = SP_NEW(sp_call_run);
	r->client = c;
	r->root = c->root;
	r->call = call;
	r->again.arg = r;
	call->run = r;
	sp_list_init(&r->node);
	sp_list_push_back(&r->root->runs, &r->node);
	sp_defer_init(&r->ended, on_ended, r);
	sp_buf_init(&r->path, PATH_BYTES_MAX);
	sp_buf_init(&r->read_path, PATH_BYTES_MAX);
	sp_buf_init(&r->answer, ask->answer_bytes == 0 ? ANSWER_BYTES : ask->answer_bytes);
	sp_code code = prepare(r, ask);
	if (code == SP_OK) {
		attempt(r);
		return;
	}
	if (r->err.code == SP_OK)
		(void)sp_fail(&r->err, code, "no room for a request");
	end_later(r);
}

void sp_call_cancel(sp_call *call)
{
	sp_call_run *r = call->run;
	if (r == NULL)
		return;
	call->run = NULL;
	r->call = NULL;
	if (r->ex != NULL) {
		sp_http_reset(r->ex, SP_HTTP2_CANCEL); /* on_close ends the run */
		return;
	}
	sp_timer_stop(r->root->world, &r->again);
	end_later(r);
}

void client_end_waiting(sp_client *c)
{
	SP_LIST_FOREACH (node, &c->runs) {
		sp_call_run *r = SP_CONTAINER_OF(node, sp_call_run, node);
		if (!sp_timer_is_running(&r->again))
			continue;
		sp_timer_stop(c->world, &r->again);
		(void)sp_fail(&r->err, SP_ECANCELED, "the client is closed");
		end_later(r);
	}
}
