/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks the kubelet API, and whether they may: both are the API server's to say. */
#include "base/json_out.h"
#include "node/serve_int.h"

#define BODY_BYTES_MAX ((size_t)64 << 10)
/* U: kubelet's authentication.webhook.cacheTTL, authorization.webhook.cache(Un)AuthorizedTTL. */
#define TOKEN_NS (120 * NODE_SECOND_NS)
#define ALLOWED_NS (300 * NODE_SECOND_NS)
#define FORBIDDEN_NS (30 * NODE_SECOND_NS)
#define TOKENREVIEWS SP_GVR("authentication.k8s.io", "v1", "tokenreviews")
#define ACCESSREVIEWS SP_GVR("authorization.k8s.io", "v1", "subjectaccessreviews")

static void unauthorized(node_request *r)
{
	node_answer(r, 401, "Unauthorized");
}

static const char *verb_of(const node_request *r)
{
	static const char *const verbs[] = {[SP_HTTP_POST] = "create",
					    [SP_HTTP_PUT] = "update",
					    [SP_HTTP_PATCH] = "patch",
					    [SP_HTTP_DELETE] = "delete",
					    [SP_HTTP_OTHER] = NULL};
	const char *verb = r->ex->method_id > SP_HTTP_OTHER ? NULL : verbs[r->ex->method_id];
	return verb == NULL ? "get" : verb;
}

/* ---- whether they may ---- */

static void allowed(node_request *r)
{
	if (r->serve == NULL)
		node_answer(r, 404, "404 page not found\n");
	else
		r->serve(r);
}

static void keep(node_request *r, sp_str answer, uint64_t ns)
{
	node_agent *a = r->agent;
	if (r->question.ptr != NULL)
		node_reviews_put(&a->reviews, r->question, answer, sp_now_ns(a->world) + ns);
}

static bool is_allowed(node_request *r, sp_str answer)
{
	yyjson_val *tree;
	return sp_json_parse(&r->ex->arena, answer, &tree, NULL) == SP_OK &&
	       yyjson_get_bool(sp_view_at(tree, "status.allowed"));
}

static void take_access(node_request *r, bool may)
{
	if (may) {
		allowed(r);
		return;
	}
	node_answer(r, 403,
		    "Forbidden (user=" SP_FMT ", verb=%s, resource=nodes, subresource(s)=[" SP_FMT "])",
		    SP_ARG(r->user), verb_of(r), SP_ARG(r->subresource));
}

static void on_access(sp_call *c, const sp_answer *a)
{
	node_request *r = c->arg;
	if (a->code != SP_OK) {
		node_answer(r, 500, "Authorization error (user=" SP_FMT "): " SP_FMT, SP_ARG(r->user),
			    SP_ARG(a->message));
		return;
	}
	bool may = is_allowed(r, a->body);
	keep(r, a->body, may ? ALLOWED_NS : FORBIDDEN_NS);
	take_access(r, may);
}

static void authorize(node_request *r)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_str(&j, SP_STR("user"), r->user);
	sp_jout_member_strs(&j, SP_STR("groups"), r->groups, r->n_groups);
	sp_jout_member_open(&j, SP_STR("resourceAttributes"), '{');
	sp_jout_member_str(&j, SP_STR("verb"), sp_str_c(verb_of(r)));
	sp_jout_member_str(&j, SP_STR("version"), SP_STR("v1"));
	sp_jout_member_str(&j, SP_STR("resource"), SP_STR("nodes"));
	sp_jout_member_str(&j, SP_STR("subresource"), r->subresource);
	sp_jout_member_str(&j, SP_STR("name"), r->agent->opts.node_name);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_str known = node_reviews_get(&r->agent->reviews, sp_buf_view(&body), sp_now_ns(r->agent->world));
	if (known.ptr != NULL) {
		take_access(r, is_allowed(r, known));
		return;
	}
	r->question = sp_arena_try_dup(&r->ex->arena, sp_buf_view(&body));
	r->review = (sp_call){.done = on_access, .arg = r};
	sp_call_start(r->agent->client, &r->review,
		      &(sp_ask){.verb = SP_ASK_CREATE, .gvr = ACCESSREVIEWS, .body = sp_buf_view(&body)});
}

/* ---- who they are ---- */

static sp_code take_groups(node_request *r, yyjson_val *list)
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

static void take_token(node_request *r, sp_str answer)
{
	yyjson_val *tree;
	sp_str text = sp_arena_try_dup(&r->ex->arena, answer); /* what is kept may go meanwhile */
	if (text.ptr == NULL || sp_json_parse(&r->ex->arena, text, &tree, NULL) != SP_OK ||
	    !yyjson_get_bool(sp_view_at(tree, "status.authenticated"))) {
		unauthorized(r);
		return;
	}
	r->user = sp_view_str_at(tree, "status.user.username");
	if (take_groups(r, sp_view_at(tree, "status.user.groups")) != SP_OK)
		node_answer(r, 500, "no memory");
	else
		authorize(r);
}

static void on_token(sp_call *c, const sp_answer *a)
{
	node_request *r = c->arg;
	if (a->code != SP_OK) {
		unauthorized(r);
		return;
	}
	keep(r, a->body, TOKEN_NS);
	take_token(r, a->body);
}

static void review_token(node_request *r, sp_str token)
{
	char room[NODE_REVIEW_KEY_BYTES];
	sp_str question = node_reviews_of_token(&r->agent->reviews, token, room);
	sp_str known = node_reviews_get(&r->agent->reviews, question, sp_now_ns(r->agent->world));
	if (known.ptr != NULL) {
		take_token(r, known);
		return;
	}
	r->question = sp_arena_try_dup(&r->ex->arena, question);
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_str(&j, SP_STR("token"), token);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK) {
		unauthorized(r);
		return;
	}
	r->review = (sp_call){.done = on_token, .arg = r};
	sp_call_start(r->agent->client, &r->review,
		      &(sp_ask){.verb = SP_ASK_CREATE, .gvr = TOKENREVIEWS, .body = sp_buf_view(&body)});
}

void node_authenticate(node_request *r)
{
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
	unauthorized(r);
}
