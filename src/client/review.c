/* SPDX-License-Identifier: Apache-2.0 */
#include "client/review.h"

#include "base/json_out.h"
#include "io/tls.h"
#include "kube/view.h"

#define BODY_BYTES_MAX ((size_t)64 << 10)
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

/* ---- whether they may ---- */

static void failed(sp_review *r, sp_str message)
{
	r->message = sp_arena_try_dup(&r->ex->arena, message);
	r->done(r, SP_REVIEW_FAILED);
}

static void on_access(sp_call *c, const sp_answer *a)
{
	sp_review *r = c->arg;
	yyjson_val *tree;
	if (a->code != SP_OK) {
		failed(r, a->message.len > 0 ? a->message : sp_str_c(a->err->msg));
		return;
	}
	bool may = sp_json_parse(&r->ex->arena, a->body, &tree, NULL) == SP_OK &&
		   yyjson_get_bool(sp_view_at(tree, "status.allowed"));
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

static void on_token(sp_call *c, const sp_answer *a)
{
	sp_review *r = c->arg;
	yyjson_val *tree;
	if (a->code != SP_OK || sp_json_parse(&r->ex->arena, a->body, &tree, NULL) != SP_OK ||
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

static void review_token(sp_review *r, sp_str token)
{
	SP_AUTO_BUF body;
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
