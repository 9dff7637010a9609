/* SPDX-License-Identifier: Apache-2.0 */
#include "client/review.h"

#include "base/json_out.h"
#include "io/tls.h"
#include "kube/view.h"

#define BODY_BYTES_MAX ((size_t)64 << 10)
/* U: kubelet's authentication.webhook.cacheTTL, authorization.webhook.cache(Un)AuthorizedTTL. */
#define SECOND_NS UINT64_C(1000000000)
#define TOKEN_NS (120 * SECOND_NS)
#define ALLOWED_NS (300 * SECOND_NS)
#define FORBIDDEN_NS (30 * SECOND_NS)
#define TOKENREVIEWS SP_GVR("authentication.k8s.io", "v1", "tokenreviews")
#define ACCESSREVIEWS SP_GVR("authorization.k8s.io", "v1", "subjectaccessreviews")

sp_str sp_review_verb(const sp_http_exchange *ex)
{
	static const sp_str verbs[SP_HTTP_OTHER + 1] = {[SP_HTTP_POST] = SP_STR_INIT("create"),
							[SP_HTTP_PUT] = SP_STR_INIT("update"),
							[SP_HTTP_PATCH] = SP_STR_INIT("patch"),
							[SP_HTTP_DELETE] = SP_STR_INIT("delete")};
	sp_str verb = ex->method_id > SP_HTTP_OTHER ? (sp_str){0} : verbs[ex->method_id];
	return verb.len == 0 ? SP_STR("get") : verb;
}

/* ---- answers that are kept ---- */

static sp_str recall(sp_review *r, sp_str question)
{
	if (r->kept == NULL)
		return (sp_str){NULL, 0};
	sp_str known = sp_reviews_get(r->kept, question, sp_now_ns(r->world));
	if (known.ptr == NULL)
		r->question = sp_arena_try_dup(&r->ex->arena, question);
	return known;
}

static void keep(sp_review *r, sp_str answer, uint64_t ns)
{
	if (r->kept != NULL && r->question.ptr != NULL)
		sp_reviews_put(r->kept, r->question, answer, sp_now_ns(r->world) + ns);
}

/* ---- whether they may ---- */

static void failed(sp_review *r, sp_str message)
{
	r->message = sp_arena_try_dup(&r->ex->arena, message);
	r->done(r, SP_REVIEW_FAILED);
}

static bool is_allowed(sp_review *r, sp_str answer)
{
	yyjson_val *tree;
	return sp_json_parse(&r->ex->arena, answer, &tree, NULL) == SP_OK &&
	       yyjson_get_bool(sp_view_at(tree, "status.allowed"));
}

static void on_access(sp_call *c, const sp_answer *a)
{
	sp_review *r = c->arg;
	if (a->code != SP_OK) {
		failed(r, a->message.len > 0 ? a->message : sp_str_c(a->err->msg));
		return;
	}
	bool may = is_allowed(r, a->body);
	keep(r, a->body, may ? ALLOWED_NS : FORBIDDEN_NS);
	r->done(r, may ? SP_REVIEW_ALLOWED : SP_REVIEW_FORBIDDEN);
}

static void print_what(sp_jout *j, const sp_review *r)
{
	bool path = r->path.len > 0;
	sp_jout_member_open(j, path ? SP_STR("nonResourceAttributes") : SP_STR("resourceAttributes"), '{');
	sp_jout_member_str(j, SP_STR("verb"), r->verb);
	if (path) {
		sp_jout_member_str(j, SP_STR("path"), r->path);
	} else {
		sp_jout_member_str(j, SP_STR("version"), r->version);
		sp_jout_member_str(j, SP_STR("resource"), r->resource);
		sp_jout_member_str(j, SP_STR("subresource"), r->subresource);
		sp_jout_member_str(j, SP_STR("name"), r->name);
	}
	sp_jout_close(j, '}');
}

static void ask_access(sp_review *r)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_str(&j, SP_STR("user"), r->user);
	sp_jout_member_strs(&j, SP_STR("groups"), r->groups, r->n_groups);
	print_what(&j, r);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK) {
		failed(r, SP_STR("the request is too large"));
		return;
	}
	sp_str known = recall(r, sp_buf_view(&body));
	if (known.ptr != NULL) {
		r->done(r, is_allowed(r, known) ? SP_REVIEW_ALLOWED : SP_REVIEW_FORBIDDEN);
		return;
	}
	r->call = (sp_call){.done = on_access, .arg = r};
	sp_call_start(r->client, &r->call,
		      &(sp_ask){.verb = SP_ASK_CREATE, .gvr = ACCESSREVIEWS, .body = sp_buf_view(&body)});
}

static void authorize(sp_review *r)
{
	if (r->always)
		r->done(r, SP_REVIEW_ALLOWED);
	else
		ask_access(r);
}

/* ---- who they are ---- */

static sp_code take_groups(sp_review *r, yyjson_val *list)
{
	yyjson_val *item;
	size_t i, n;
	sp_str *at = sp_try_new(&r->ex->arena, sp_str, yyjson_arr_size(list) + 1);
	if (at == NULL)
		return SP_ENOMEM;
	yyjson_arr_foreach(list, i, n, item)
	{
		at[r->n_groups++] = sp_json_str(item);
	}
	r->groups = at;
	return SP_OK;
}

static void take_token(sp_review *r, sp_str answer)
{
	yyjson_val *tree;
	sp_str text = sp_arena_try_dup(&r->ex->arena, answer); /* what is kept may go meanwhile */
	if (text.ptr == NULL || sp_json_parse(&r->ex->arena, text, &tree, NULL) != SP_OK ||
	    !yyjson_get_bool(sp_view_at(tree, "status.authenticated"))) {
		r->done(r, SP_REVIEW_UNKNOWN);
		return;
	}
	r->user = sp_view_str_at(tree, "status.user.username");
	if (take_groups(r, sp_view_at(tree, "status.user.groups")) != SP_OK)
		failed(r, SP_STR("no memory"));
	else
		authorize(r);
}

static void on_token(sp_call *c, const sp_answer *a)
{
	sp_review *r = c->arg;
	if (a->code != SP_OK) {
		r->done(r, SP_REVIEW_UNKNOWN);
		return;
	}
	keep(r, a->body, TOKEN_NS);
	take_token(r, a->body);
}

static sp_str known_token(sp_review *r, sp_str token)
{
	char room[SP_REVIEW_KEY_BYTES];
	return r->kept == NULL ? (sp_str){NULL, 0} : recall(r, sp_reviews_of_token(r->kept, token, room));
}

static void review_token(sp_review *r, sp_str token)
{
	SP_AUTO_BUF body;
	sp_str known = known_token(r, token);
	if (known.ptr != NULL) {
		take_token(r, known);
		return;
	}
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_str(&j, SP_STR("token"), token);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK) {
		r->done(r, SP_REVIEW_UNKNOWN);
		return;
	}
	r->call = (sp_call){.done = on_token, .arg = r};
	sp_call_start(r->client, &r->call,
		      &(sp_ask){.verb = SP_ASK_CREATE, .gvr = TOKENREVIEWS, .body = sp_buf_view(&body)});
}

void sp_review_start(sp_review *r)
{
	static const sp_str nobody[] = {SP_STR_INIT("system:unauthenticated")};
	const sp_tls_peer *peer = r->ex->stream == NULL ? NULL : r->ex->stream->tls;
	sp_str token = sp_http_get(&r->ex->headers, SP_HTTP_AUTHORIZATION);
	if (peer != NULL && peer->verified) {
		r->user = peer->cert.common_name;
		r->groups = peer->cert.organizations.items;
		r->n_groups = peer->cert.organizations.n;
		authorize(r);
		return;
	}
	if (token.len > 7 && sp_str_eq_nocase(sp_str_sub(token, 0, 7), SP_STR("Bearer "))) {
		review_token(r, sp_str_trim(sp_str_sub(token, 7, token.len)));
		return;
	}
	if (!r->anonymous) {
		r->done(r, SP_REVIEW_UNKNOWN);
		return;
	}
	r->user = SP_STR("system:anonymous");
	r->groups = nobody;
	r->n_groups = 1;
	authorize(r);
}

void sp_review_cancel(sp_review *r)
{
	sp_call_cancel(&r->call);
}
