/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of service accounts. U: kubernetes pkg/serviceaccount/{jwt,claims}.go. */
#include "apiserver/jwt.h"
#include "apiserver/rules.h"
#include "apiserver/tokens_int.h"

/* Clocks may differ by that much. */
#define LEEWAY_S 60
#define NS_PER_S INT64_C(1000000000)
#define TEXT_BYTES_MAX ((size_t)64 << 10)

typedef struct meta_view {
	sp_str uid;
	sp_time deleted;
	bool has_deleted;
} meta_view;
SP_VIEW(account_desc, meta_view, "v1/ServiceAccount", SP_V(meta_view, uid, "metadata.uid"),
	SP_VH(meta_view, deleted, "metadata.deletionTimestamp"));
SP_VIEW(pod_desc, meta_view, "v1/Pod", SP_V(meta_view, uid, "metadata.uid"),
	SP_VH(meta_view, deleted, "metadata.deletionTimestamp"));
SP_VIEW(secret_desc, meta_view, "v1/Secret", SP_V(meta_view, uid, "metadata.uid"),
	SP_VH(meta_view, deleted, "metadata.deletionTimestamp"));
SP_VIEW(node_desc, meta_view, "v1/Node", SP_V(meta_view, uid, "metadata.uid"),
	SP_VH(meta_view, deleted, "metadata.deletionTimestamp"));

typedef struct ref {
	bool is_there;
	sp_str name, uid;
} ref;

typedef struct claims {
	sp_str issuer, id, ns;
	ref account, pod, secret, node;
	api_strs audiences;
	bool is_legacy;
	api_legacy_claims legacy;
} claims;

typedef struct inspection {
	api_server *server;
	sp_arena *arena;
	sp_str token;
	int64_t now_s;
	struct api_verified_token *slot;
	claims c;
	sp_str why;
} inspection;

static bool bad(inspection *x, const char *why)
{
	x->why = sp_arena_try_dup(x->arena, sp_str_c(why));
	return false;
}

/* ---- reading ---- */

static sp_str text_of(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

static ref read_ref(yyjson_val *v, const char *name)
{
	yyjson_val *r = sp_json_last(v, sp_str_c(name));
	return (ref){yyjson_is_obj(r), text_of(r, "name"), text_of(r, "uid")};
}

static bool read_claims(sp_arena *a, yyjson_val *v, claims *ret)
{
	yyjson_val *own = sp_json_last(v, SP_STR("kubernetes.io"));
	yyjson_val *aud = sp_json_last(v, SP_STR("aud"));
	*ret = (claims){.issuer = text_of(v, "iss"),
			.id = text_of(v, "jti"),
			.ns = text_of(own, "namespace"),
			.account = read_ref(own, "serviceaccount"),
			.pod = read_ref(own, "pod"),
			.secret = read_ref(own, "secret"),
			.node = read_ref(own, "node")};
	ret->is_legacy = api_legacy_read(v, &ret->legacy);
	if (ret->is_legacy) {
		ret->ns = ret->legacy.ns;
		ret->account = (ref){true, ret->legacy.account, ret->legacy.uid};
	}
	if (!yyjson_is_str(aud))
		return api_strs_read(a, aud, &ret->audiences);
	ret->audiences.items = sp_try_new(a, sp_str, 1);
	ret->audiences.n = 1;
	if (ret->audiences.items != NULL)
		ret->audiences.items[0] = sp_json_str(aud);
	return ret->audiences.items != NULL;
}

/* ---- the signature ---- */

static bool verify(inspection *x, const api_jwt *t)
{
	const api_tokens *tokens = x->server->tokens;
	size_t n_tried = 0;
	for (size_t i = 0; i < tokens->n_keys; i++) {
		const api_token_key *k = &tokens->keys[i];
		if (t->kid.len > 0 && !sp_str_eq(t->kid, k->kid))
			continue;
		n_tried++;
		if (sp_str_eq(t->alg, sp_jws_name(k->alg)) &&
		    sp_jws_verify(k->key, t->input, t->signature, NULL) == SP_OK)
			return true;
	}
	return bad(x, n_tried == 0 ? "invalid signature, no keys found"
				   : "go-jose/go-jose: error in cryptographic primitive");
}

/* A token that was seen before is not verified again. */
static bool is_genuine(inspection *x, sp_str token, const api_jwt *t)
{
	uint8_t digest[32];
	api_tokens_refresh(x->server->tokens);
	sp_sha256(token, digest);
	struct api_verified_token *slot =
		&x->server->tokens->verified[((unsigned)digest[0] << 8 | digest[1]) % API_VERIFIED_SLOTS];
	x->slot = slot;
	if (sp_str_eq_const_time((sp_str){(const char *)slot->digest, 32},
				 (sp_str){(const char *)digest, 32}))
		return true;
	if (!verify(x, t))
		return false;
	memcpy(slot->digest, digest, sizeof digest);
	slot->until_ns = 0;
	return true;
}

/* ---- what it says ---- */

static bool check_times(inspection *x, yyjson_val *v)
{
	double t, now = (double)x->now_s;
	if (api_jwt_date(v, "nbf", &t) && now + LEEWAY_S < t)
		return bad(x, "service account token is not valid yet");
	if (api_jwt_date(v, "exp", &t) && now - LEEWAY_S > t)
		return bad(x, "service account token has expired");
	if (api_jwt_date(v, "iat", &t) && now + LEEWAY_S < t)
		return bad(x, "service account token is issued in the future");
	return true;
}

static bool is_gone(const inspection *x, const meta_view *m)
{
	return m->has_deleted && m->deleted.seconds < x->now_s - LEEWAY_S;
}

static bool check_account(inspection *x)
{
	const ref *r = &x->c.account;
	meta_view m;
	sp_code code = api_view_stored(x->server, x->arena, "/registry/serviceaccounts/", x->c.ns, r->name,
				       &account_desc, &m, NULL);
	if (code == SP_ENOTFOUND || x->c.ns.len == 0)
		x->why = sp_arena_printf(x->arena, "serviceaccounts \"" SP_FMT "\" not found",
					 SP_ARG(r->name));
	else if (code != SP_OK)
		return bad(x, "service account can't be read");
	else if (!sp_str_eq(m.uid, r->uid))
		x->why = sp_arena_printf(x->arena,
					 "service account UID (" SP_FMT ") does not match claim (" SP_FMT ")",
					 SP_ARG(m.uid), SP_ARG(r->uid));
	else if (is_gone(x, &m))
		x->why = sp_arena_printf(x->arena, "service account " SP_FMT "/" SP_FMT " has been deleted",
					 SP_ARG(x->c.ns), SP_ARG(r->name));
	else
		return true;
	return false;
}

/* What the token is bound to must still be there. */
static bool check_bound(inspection *x, const ref *r, const char *prefix, sp_str ns, const sp_view_desc *desc,
			const char *kind)
{
	meta_view m;
	if (api_view_stored(x->server, x->arena, prefix, ns, r->name, desc, &m, NULL) != SP_OK)
		return bad(x, "service account token has been invalidated");
	if (!sp_str_eq(m.uid, r->uid)) {
		x->why = sp_arena_printf(x->arena,
					 "%s UID (" SP_FMT
					 ") does not match service account %s ref claim (" SP_FMT ")",
					 kind, SP_ARG(m.uid), kind, SP_ARG(r->uid));
		return false;
	}
	return !is_gone(x, &m) || bad(x, "service account token has been invalidated");
}

static bool check_refs(inspection *x)
{
	const claims *c = &x->c;
	if (c->secret.is_there &&
	    !check_bound(x, &c->secret, "/registry/secrets/", c->ns, &secret_desc, "secret"))
		return false;
	if (c->pod.is_there)
		return check_bound(x, &c->pod, "/registry/pods/", c->ns, &pod_desc, "pod");
	return !c->node.is_there ||
	       check_bound(x, &c->node, "/registry/minions/", SP_STR(""), &node_desc, "node");
}

/* What it stands for and what it is bound to. As upstream, one that was good stays so for some seconds. */
static bool is_alive(inspection *x)
{
	uint64_t now = sp_now_ns(x->server->world);
	if (now < x->slot->until_ns)
		return true;
	if (x->c.is_legacy)
		x->why = api_legacy_check(x->server, x->arena, x->token, &x->c.legacy);
	if (x->c.is_legacy ? x->why.len > 0 : !check_account(x) || !check_refs(x))
		return false;
	x->slot->until_ns = now + API_TOKEN_GOOD_NS;
	return true;
}

static bool check_audiences(inspection *x, const sp_str *wanted, size_t n, api_token_verdict *ret)
{
	const api_tokens_opts *o = &x->server->tokens->o;
	if (x->c.audiences.n == 0) /* an old token is for this API */
		x->c.audiences = (api_strs){(sp_str *)(uintptr_t)o->audiences, o->n_audiences};
	if (!api_audiences_common(x->arena, wanted, n, x->c.audiences.items, x->c.audiences.n,
				  &ret->audiences, &ret->n_audiences))
		return bad(x, "no room for the audiences");
	if (ret->n_audiences > 0)
		return true;
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	(void)sp_buf_str(&text, SP_STR("token audiences "));
	(void)api_strs_print(&text, x->c.audiences.items, x->c.audiences.n);
	(void)sp_buf_str(&text, SP_STR(" is invalid for the target audiences "));
	(void)api_strs_print(&text, wanted, n);
	x->why = sp_arena_try_dup(x->arena, sp_buf_view(&text));
	return false;
}

/* ---- whom it stands for ---- */

static bool add_extra(sp_arena *a, api_extra *extra, size_t *n, sp_str key, sp_str value)
{
	sp_str *values;
	if (value.len == 0)
		return true;
	values = sp_try_new(a, sp_str, 1);
	if (values == NULL)
		return false;
	values[0] = value;
	extra[(*n)++] = (api_extra){key, values, 1};
	return true;
}

static bool make_user(inspection *x, api_user *ret)
{
	sp_arena *a = x->arena;
	const claims *c = &x->c;
	size_t n = 0;
	api_extra *extra = sp_try_new(a, api_extra, 5);
	sp_str id = c->id.len == 0 ? (sp_str){NULL, 0} : sp_arena_printf(a, "JTI=" SP_FMT, SP_ARG(c->id));
	if (extra == NULL || !api_user_of_service_account(a, c->ns, c->account.name, c->account.uid, ret) ||
	    !add_extra(a, extra, &n, SP_STR(API_EXTRA_PREFIX "credential-id"), id) ||
	    !add_extra(a, extra, &n, SP_STR(API_EXTRA_PREFIX "node-name"), c->node.name) ||
	    !add_extra(a, extra, &n, SP_STR(API_EXTRA_PREFIX "node-uid"), c->node.uid) ||
	    !add_extra(a, extra, &n, SP_STR(API_EXTRA_PREFIX "pod-name"), c->pod.name) ||
	    !add_extra(a, extra, &n, SP_STR(API_EXTRA_PREFIX "pod-uid"), c->pod.uid))
		return bad(x, "no room for the user");
	ret->extra = extra;
	ret->n_extra = n;
	return true;
}

static bool is_issuer(const api_tokens *t, sp_str issuer)
{
	for (size_t i = 0; i < t->o.n_issuers; i++) {
		if (sp_str_eq(t->o.issuers[i], issuer))
			return true;
	}
	return false;
}

bool api_token_of_account(api_server *s, sp_arena *a, sp_str token, const sp_str *audiences, size_t n,
			  api_token_verdict *ret)
{
	inspection x = {.server = s, .arena = a, .token = token, .now_s = sp_wall_ns(s->world) / NS_PER_S};
	api_jwt t;
	if (api_jwt_parse(a, token, &t, NULL) != SP_OK || !read_claims(a, t.claims, &x.c) ||
	    (!x.c.is_legacy && !is_issuer(s->tokens, x.c.issuer)))
		return false; /* somebody else's */
	if (is_genuine(&x, token, &t) && check_audiences(&x, audiences, n, ret) &&
	    check_times(&x, t.claims) && is_alive(&x) && make_user(&x, &ret->user))
		return true;
	ret->why = x.why;
	return false;
}
