/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that upstream's kube-controller-manager signs and puts into secrets. They have no end, so each is
 * held against its secret. U: kubernetes pkg/serviceaccount/legacy.go. */
#include "apiserver/legacy_use.h"
#include "apiserver/tokens_int.h"
#include "base/base64.h"
#include "kube/view.h"

#define CLAIM "kubernetes.io/serviceaccount/"

typedef struct secret_view {
	sp_vmap data, labels;
	sp_str deleted;
} secret_view;
SP_VIEW(legacy_secret_desc, secret_view, "v1/Secret", SP_V(secret_view, data, "data"),
	SP_V(secret_view, labels, "metadata.labels"),
	SP_V(secret_view, deleted, "metadata.deletionTimestamp"));

typedef struct account_view {
	sp_str uid, deleted;
} account_view;
SP_VIEW(legacy_account_desc, account_view, "v1/ServiceAccount", SP_V(account_view, uid, "metadata.uid"),
	SP_V(account_view, deleted, "metadata.deletionTimestamp"));

bool api_legacy_read(yyjson_val *v, api_legacy_claims *ret)
{
	*ret = (api_legacy_claims){.subject = sp_json_str(sp_json_last(v, SP_STR("sub"))),
				   .ns = sp_json_str(sp_json_last(v, SP_STR(CLAIM "namespace"))),
				   .secret = sp_json_str(sp_json_last(v, SP_STR(CLAIM "secret.name"))),
				   .account =
					   sp_json_str(sp_json_last(v, SP_STR(CLAIM "service-account.name"))),
				   .uid = sp_json_str(sp_json_last(v, SP_STR(CLAIM "service-account.uid")))};
	return sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("iss"))), SP_STR("kubernetes/serviceaccount")) &&
	       sp_json_last(v, SP_STR("kubernetes.io")) == NULL;
}

static sp_str check_claims(sp_arena *a, const api_legacy_claims *c)
{
	const struct {
		sp_str claim;
		const char *name;
	} rows[] = {
		{c->subject, "sub"},           {c->ns, "namespace"},
		{c->secret, "secretName"},     {c->account, "serviceAccountName"},
		{c->uid, "serviceAccountUID"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (rows[i].claim.len == 0)
			return sp_arena_printf(a, "%s claim is missing", rows[i].name);
	}
	sp_str name = sp_arena_printf(a, "system:serviceaccount:" SP_FMT ":" SP_FMT, SP_ARG(c->ns),
				      SP_ARG(c->account));
	return sp_str_eq(name, c->subject) ? SP_STR("") : SP_STR("sub claim is invalid");
}

static bool has_text(sp_arena *a, sp_str base64, sp_str token)
{
	size_t n = 0;
	uint8_t *bytes = sp_arena_try_alloc(a, base64.len + 1);
	return bytes != NULL && sp_base64_decode(base64, bytes, &n, NULL) == SP_OK &&
	       sp_str_eq_const_time((sp_str){(const char *)bytes, n}, token);
}

static sp_str check_secret(api_server *s, sp_arena *a, sp_str token, const api_legacy_claims *c,
			   secret_view *ret)
{
	if (api_view_stored(s, a, "/registry/secrets/", c->ns, c->secret, &legacy_secret_desc, ret, NULL) !=
		    SP_OK ||
	    ret->deleted.len > 0)
		return SP_STR("Token has been invalidated");
	if (!has_text(a, sp_vmap_str(ret->data, SP_STR("token")), token))
		return SP_STR("Token does not match server's copy");
	return SP_STR("");
}

static sp_str check_mark(sp_arena *a, const secret_view *v, const api_legacy_claims *c)
{
	if (sp_vmap_str(v->labels, SP_STR(API_LEGACY_INVALID)).len == 0)
		return SP_STR("");
	return sp_arena_printf(
		a,
		"the token in secret " SP_FMT "/" SP_FMT " for service account " SP_FMT "/" SP_FMT
		" has been marked invalid. Use tokens from the TokenRequest API or manually created "
		"secret-based tokens, or remove the '" API_LEGACY_INVALID
		"' label from the secret to temporarily allow use of this token",
		SP_ARG(c->ns), SP_ARG(c->secret), SP_ARG(c->ns), SP_ARG(c->account));
}

static sp_str check_account(api_server *s, sp_arena *a, const api_legacy_claims *c)
{
	account_view v;
	sp_code code = api_view_stored(s, a, "/registry/serviceaccounts/", c->ns, c->account,
				       &legacy_account_desc, &v, NULL);
	if (code == SP_ENOTFOUND)
		return sp_arena_printf(a, "serviceaccounts \"" SP_FMT "\" not found", SP_ARG(c->account));
	if (code != SP_OK)
		return SP_STR("service account can't be read");
	if (v.deleted.len > 0)
		return sp_arena_printf(a, "ServiceAccount " SP_FMT "/" SP_FMT " has been deleted",
				       SP_ARG(c->ns), SP_ARG(c->account));
	if (!sp_str_eq(v.uid, c->uid))
		return sp_arena_printf(a, "ServiceAccount UID (" SP_FMT ") does not match claim (" SP_FMT ")",
				       SP_ARG(v.uid), SP_ARG(c->uid));
	return SP_STR("");
}

sp_str api_legacy_check(api_server *s, sp_arena *a, sp_str token, const api_legacy_claims *c)
{
	secret_view v;
	sp_str why = check_claims(a, c);
	if (why.len == 0)
		why = check_secret(s, a, token, c, &v);
	if (why.len == 0)
		why = check_account(s, a, c);
	if (why.len > 0)
		return why;
	api_legacy_used(s, c->ns, c->secret);
	return check_mark(a, &v, c);
}
