/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens by which nodes join: Secrets of type bootstrap.kubernetes.io/token. U: kubernetes
 * plugin/pkg/auth/authenticator/token/bootstrap, cluster-bootstrap token/util. */
#include <stdlib.h>

#include "apiserver/tokens_int.h"
#include "base/base64.h"

#define ID_BYTES 6u
#define SECRET_BYTES 16u
#define NS_PER_S INT64_C(1000000000)

typedef struct secret_view {
	sp_str type;
	sp_vmap data;
	sp_time deleted;
	bool has_deleted;
} secret_view;
SP_VIEW(bootstrap_secret_desc, secret_view, "v1/Secret", SP_V(secret_view, type, "type"),
	SP_V(secret_view, data, "data"), SP_VH(secret_view, deleted, "metadata.deletionTimestamp"));

static bool is_plain(sp_str s, size_t n)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			return false;
	}
	return s.len == n;
}

static sp_str value_of(sp_arena *a, const secret_view *v, const char *key)
{
	sp_str text = sp_vmap_str(v->data, sp_str_c(key));
	size_t n = 0;
	uint8_t *bytes = sp_arena_try_alloc(a, text.len + 1);
	if (bytes == NULL || sp_base64_decode(text, bytes, &n, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	return (sp_str){(const char *)bytes, n};
}

/* What can't be read as a time has passed. */
static bool has_expired(api_server *s, sp_str text)
{
	sp_time t;
	if (text.len == 0)
		return false;
	return sp_time_parse(text, &t, NULL) != SP_OK || t.seconds <= sp_wall_ns(s->world) / NS_PER_S;
}

/* "system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]" */
static bool is_group(sp_str g)
{
	if (!sp_str_take(&g, SP_STR("system:bootstrappers:")) || g.len == 0 || g.len > 256 ||
	    g.ptr[g.len - 1] == ':' || g.ptr[g.len - 1] == '-')
		return false;
	for (size_t i = 0; i < g.len; i++) {
		char c = g.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':' || c == '-'))
			return false;
	}
	return true;
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static bool read_groups(sp_arena *a, sp_str text, api_user *u)
{
	size_t n = 0;
	sp_str *groups = sp_try_new(a, sp_str, text.len + 2);
	if (groups == NULL)
		return false;
	groups[n++] = SP_STR("system:bootstrappers");
	while (sp_str_next(&text, ',', &groups[n])) {
		if (!is_group(groups[n++]))
			return false;
	}
	qsort(groups, n, sizeof *groups, by_text);
	u->groups = groups;
	u->n_groups = n;
	return true;
}

bool api_token_of_bootstrap(api_server *s, sp_arena *a, sp_str token, const sp_str *audiences, size_t n,
			    api_token_verdict *ret)
{
	sp_str secret = token, id;
	secret_view v;
	(void)audiences;
	(void)n;
	if (s->tokens->o.no_bootstrap || !sp_str_cut(&secret, '.', &id) || !is_plain(id, ID_BYTES) ||
	    !is_plain(secret, SECRET_BYTES))
		return false;
	sp_str name = sp_arena_printf(a, "bootstrap-token-" SP_FMT, SP_ARG(id));
	if (api_view_stored(s, a, "/registry/secrets/", SP_STR("kube-system"), name, &bootstrap_secret_desc,
			    &v, NULL) != SP_OK ||
	    v.has_deleted || !sp_str_eq(v.type, SP_STR("bootstrap.kubernetes.io/token")))
		return false;
	if (!sp_str_eq_const_time(value_of(a, &v, "token-secret"), secret) ||
	    !sp_str_eq(value_of(a, &v, "token-id"), id) || has_expired(s, value_of(a, &v, "expiration")) ||
	    !sp_str_eq(value_of(a, &v, "usage-bootstrap-authentication"), SP_STR("true")))
		return false;
	ret->user.name = sp_arena_printf(a, "system:bootstrap:" SP_FMT, SP_ARG(id));
	return ret->user.name.ptr != NULL && read_groups(a, value_of(a, &v, "auth-extra-groups"), &ret->user);
}
