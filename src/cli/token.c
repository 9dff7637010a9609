/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan token`: tokens by which nodes join, as Secrets that kubeadm's tools understand too. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/duration.h"
#include "base/json_out.h"
#include "base/time.h"
#include "cli/addons.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "client/cluster_info.h"
#include "client/informer.h"
#include "io/tls/x509.h"
#include "keys/pki.h"
#include "kube/view.h"

#define NS_PER_S INT64_C(1000000000)
#define ID_BYTES 6u
#define SECRET_BYTES 16u
#define TEXT_BYTES_MAX ((size_t)64 << 10)
#define SIGNED_S 30

typedef struct token {
	sp_str data_dir, kubeconfig, ttl, description;
	sp_str what; /* the argument */
	cli_process base;
	sp_client_config config;
	sp_client *client;
	sp_call call;
	const cli_addon *addons;
	size_t n_addons, i_addon;
	char id[ID_BYTES], secret[SECRET_BYTES];
	int64_t ttl_ns;
	sp_informers *informers;
	sp_informer_watch watch;
	sp_timer limit;
	bool is_over;
	sp_code code;
	sp_err err;
} token;

/* ---- calls ---- */

static void on_closed(void *arg)
{
	sp_world_stop(((token *)arg)->base.world);
}

static void end(token *t, sp_code code, const sp_err *err)
{
	t->code = code;
	if (err != NULL && err != &t->err)
		t->err = *err;
	sp_client_close(t->client, on_closed, t);
}

static void ask(token *t, const sp_ask *q, void (*done)(sp_call *c, const sp_answer *a))
{
	t->call = (sp_call){.done = done, .arg = t};
	sp_call_start(t->client, &t->call, q);
}

/* ---- create ---- */

static void random_text(token *t, char *out, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	for (size_t i = 0; i < n; i++) {
		uint8_t byte;
		do
			sp_random(t->base.world, &byte, 1);
		while (byte >= 252); /* so that each letter is as likely */
		out[i] = letters[byte % (sizeof letters - 1)];
	}
}

static sp_str ca_hash(token *t)
{
	sp_x509_info *all;
	size_t n;
	if (sp_x509_inspect_pem(t->config.ca_pem, &t->base.arena, &all, &n, NULL) != SP_OK)
		return SP_STR("");
	return SP_CONCAT(&t->base.arena, SP_STR(":sha256:"), all[0].key_sha256);
}

/* Nobody can join before the controllers have signed with it. */
typedef struct info_view {
	sp_vmap data;
} info_view;
SP_VIEW(token_info_desc, info_view, "v1/ConfigMap", SP_V(info_view, data, "data"));

static void print_token(token *t)
{
	sp_str hash = ca_hash(t);
	sp_timer_stop(t->base.world, &t->limit);
	printf("%.6s.%.16s" SP_FMT "\n\n  sampan agent --server https://" SP_FMT " --token %.6s.%.16s" SP_FMT
	       "\n",
	       t->id, t->secret, SP_ARG(hash), SP_ARG(t->config.address), t->id, t->secret, SP_ARG(hash));
	end(t, SP_OK, NULL);
}

static void on_info(void *arg, const sp_object *old, const sp_object *now)
{
	token *t = arg;
	info_view v;
	(void)old;
	sp_str member = sp_arena_printf(&t->base.arena, SP_JOIN_SIGNATURE "%.6s", t->id);
	if (now == NULL || t->is_over ||
	    sp_view(&t->base.arena, now->json, &token_info_desc, &v, NULL) != SP_OK ||
	    sp_vmap_str(v.data, member).ptr == NULL)
		return;
	t->is_over = true;
	print_token(t);
}

static void on_limit(sp_timer *timer)
{
	token *t = timer->arg;
	t->is_over = true;
	(void)sp_fail(&t->err, SP_ETIMEOUT,
		      "the token %.6s is made, but the controllers did not sign with it within %d s: do they "
		      "run, with bootstrap-signer-controller?",
		      t->id, SIGNED_S);
	end(t, SP_ETIMEOUT, &t->err);
}

static sp_code follow_info(token *t, sp_err *err)
{
	sp_informer *info;
	const sp_informer_opts o = {.gvr = SP_CONFIGMAPS,
				    .ns = SP_STR("kube-public"),
				    .field_selector = SP_STR("metadata.name=cluster-info")};
	SP_TRY(sp_informers_new(t->client, NULL, &t->informers, err));
	SP_TRY(sp_informers_get(t->informers, &o, &info, err));
	sp_informer_keep_all(info);
	t->watch = (sp_informer_watch){.on_change = on_info, .arg = t};
	sp_informer_watch_add(info, &t->watch);
	sp_informers_start(t->informers);
	t->limit.arg = t;
	sp_timer_start(t->base.world, &t->limit, (uint64_t)SIGNED_S * (uint64_t)NS_PER_S, on_limit);
	return SP_OK;
}

static void on_created(sp_call *c, const sp_answer *a)
{
	token *t = c->arg;
	if (a->code != SP_OK)
		end(t, a->code, a->err);
	else if (follow_info(t, &t->err) != SP_OK)
		end(t, t->err.code, &t->err);
}

static void create_secret(token *t)
{
	SP_AUTO_BUF body;
	char until[SP_TIME_TEXT_BYTES];
	sp_time end = {.seconds = (sp_wall_ns(t->base.world) + t->ttl_ns) / NS_PER_S};
	sp_buf_init(&body, TEXT_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Secret"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"),
			   sp_arena_printf(&t->base.arena, SP_JOIN_TOKEN_SECRET "%.6s", t->id));
	sp_jout_close(&j, '}');
	sp_jout_member_str(&j, SP_STR("type"), SP_STR(SP_JOIN_TOKEN_TYPE));
	sp_jout_member_open(&j, SP_STR("stringData"), '{');
	sp_jout_member_str(&j, SP_STR("token-id"), (sp_str){t->id, ID_BYTES});
	sp_jout_member_str(&j, SP_STR("token-secret"), (sp_str){t->secret, SECRET_BYTES});
	if (t->ttl_ns > 0)
		sp_jout_member_str(&j, SP_STR("expiration"), (sp_str){until, sp_time_print(until, end, 0)});
	if (t->description.len > 0)
		sp_jout_member_str(&j, SP_STR("description"), t->description);
	sp_jout_member_str(&j, SP_STR("usage-bootstrap-authentication"), SP_STR("true"));
	sp_jout_member_str(&j, SP_STR("usage-bootstrap-signing"), SP_STR("true"));
	sp_jout_member_str(&j, SP_STR("auth-extra-groups"), SP_STR(CLI_JOIN_GROUP));
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	ask(t,
	    &(sp_ask){.verb = SP_ASK_CREATE,
		      .gvr = SP_SECRETS,
		      .ns = SP_STR("kube-system"),
		      .body = sp_buf_view(&body)},
	    on_created);
}

static void apply_next(token *t);

static void on_applied(sp_call *c, const sp_answer *a)
{
	token *t = c->arg;
	if (a->code != SP_OK) {
		end(t, a->code, a->err);
		return;
	}
	t->i_addon++;
	apply_next(t);
}

/* What joining needs is there before the first token. */
static void apply_next(token *t)
{
	if (t->i_addon == t->n_addons) {
		create_secret(t);
		return;
	}
	const cli_addon *a = &t->addons[t->i_addon];
	ask(t,
	    &(sp_ask){.verb = SP_ASK_APPLY,
		      .gvr = a->gvr,
		      .ns = a->ns,
		      .name = a->name,
		      .body = a->json,
		      .manager = SP_STR("sampan"),
		      .force = true},
	    on_applied);
}

static sp_code create(token *t, sp_err *err)
{
	SP_TRY(sp_duration_parse(t->ttl, &t->ttl_ns, err));
	if (t->ttl_ns < 0)
		return sp_fail(err, SP_EINVAL, "--ttl is not negative; 0: it does not expire");
	if (t->config.ca_pem.len == 0)
		return sp_fail(err, SP_EINVAL, "the kubeconfig names no authority that nodes could trust");
	random_text(t, t->id, ID_BYTES);
	random_text(t, t->secret, SECRET_BYTES);
	t->addons = cli_join_addons(&t->base.arena, t->config.address, t->config.ca_pem, &t->n_addons);
	apply_next(t);
	return SP_OK;
}

/* ---- list ---- */

static sp_str value_of(token *t, yyjson_val *item, const char *key)
{
	sp_str text = sp_json_str(sp_json_last(sp_view_at(item, "data"), sp_str_c(key)));
	uint8_t *out = sp_arena_try_alloc(&t->base.arena, text.len + 1);
	size_t n = 0;
	if (out == NULL || sp_base64_decode(text, out, &n, NULL) != SP_OK)
		return SP_STR("");
	return (sp_str){(const char *)out, n};
}

static sp_str left_of(token *t, sp_str until)
{
	sp_time end;
	if (until.len == 0)
		return SP_STR("forever");
	if (sp_time_parse(until, &end, NULL) != SP_OK)
		return SP_STR("invalid");
	int64_t s = end.seconds - sp_wall_ns(t->base.world) / NS_PER_S;
	if (s <= 0)
		return SP_STR("expired");
	return s < 7200 ? sp_arena_printf(&t->base.arena, "%" PRId64 "m", s / 60)
			: sp_arena_printf(&t->base.arena, "%" PRId64 "h", s / 3600);
}

static void on_listed(sp_call *c, const sp_answer *a)
{
	token *t = c->arg;
	yyjson_val *root = NULL;
	sp_code code = a->code;
	if (code == SP_OK)
		code = sp_json_parse(&t->base.arena, a->body, &root, &t->err);
	if (code != SP_OK) {
		end(t, code, a->err != NULL ? a->err : &t->err);
		return;
	}
	printf("%-25s %-9s %-40s %s\n", "TOKEN", "LEFT", "DESCRIPTION", "USAGES");
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("items")), i, n, item)
	{
		bool logs_in = sp_str_eq(value_of(t, item, "usage-bootstrap-authentication"), SP_STR("true"));
		bool signs = sp_str_eq(value_of(t, item, "usage-bootstrap-signing"), SP_STR("true"));
		sp_str id = value_of(t, item, "token-id"), secret = value_of(t, item, "token-secret");
		printf(SP_FMT "." SP_FMT "%*s %-9.*s %-40.*s %s%s%s\n", SP_ARG(id), SP_ARG(secret),
		       (int)(24 - SP_MIN(id.len + secret.len, 24u)), "",
		       SP_ARG(left_of(t, value_of(t, item, "expiration"))),
		       SP_ARG(value_of(t, item, "description")), logs_in ? "authentication" : "",
		       logs_in && signs ? "," : "", signs ? "signing" : "");
	}
	end(t, SP_OK, NULL);
}

static sp_code list(token *t, sp_err *err)
{
	(void)err;
	ask(t,
	    &(sp_ask){.verb = SP_ASK_LIST,
		      .gvr = SP_SECRETS,
		      .ns = SP_STR("kube-system"),
		      .query = SP_STR("fieldSelector=type%3D"
				      "bootstrap.kubernetes.io%2Ftoken")},
	    on_listed);
	return SP_OK;
}

/* ---- delete ---- */

static void on_deleted(sp_call *c, const sp_answer *a)
{
	token *t = c->arg;
	if (a->code == SP_OK)
		printf("token '" SP_FMT "' is deleted\n", SP_ARG(t->what));
	if (a->code == SP_ENOTFOUND)
		end(t, sp_fail(&t->err, SP_ENOTFOUND, "there is no token '" SP_FMT "'", SP_ARG(t->what)),
		    NULL);
	else
		end(t, a->code, a->err);
}

static sp_code delete_token(token *t, sp_err *err)
{
	sp_str id = t->what, rest = t->what;
	if (sp_str_index(rest, '.') >= 0)
		(void)sp_str_cut(&rest, '.', &id);
	if (id.len != ID_BYTES)
		return sp_fail(err, SP_EINVAL, "a token or its first %u letters are needed", ID_BYTES);
	t->what = id;
	ask(t,
	    &(sp_ask){.verb = SP_ASK_DELETE,
		      .gvr = SP_SECRETS,
		      .ns = SP_STR("kube-system"),
		      .name = SP_CONCAT(&t->base.arena, SP_STR(SP_JOIN_TOKEN_SECRET), id)},
	    on_deleted);
	return SP_OK;
}

/* ---- verbs ---- */

enum { CREATE, DELETE, LIST };
static const cli_action actions[] = {
	[CREATE] = {"create", "sampan token create [FLAGS]", false, false},
	[DELETE] = {"delete", "sampan token delete TOKEN [FLAGS]", true, true},
	[LIST] = {"list", "sampan token list [FLAGS]", false, false},
};
static sp_code (*const runs[])(token *t,
			       sp_err *err) = {[CREATE] = create, [DELETE] = delete_token, [LIST] = list};

static sp_code run(token *t, size_t action, sp_err *err)
{
	SP_TRY(cli_process_open(&t->base, "token", SP_STR("error"), err));
	sp_arena *a = &t->base.arena;
	if (t->kubeconfig.len == 0)
		t->kubeconfig =
			sp_arena_printf(a, SP_FMT "/pki/%s", SP_ARG(t->data_dir), keys_pki_admin.file);
	SP_TRY(sp_client_config_load(t->base.world, a, t->kubeconfig, SP_STR(""), &t->config, err));
	const sp_client_opts o = {.config = &t->config, .user_agent = SP_STR("sampan-token")};
	SP_TRY(sp_client_new(t->base.world, &o, &t->client, err));
	SP_TRY(runs[action](t, err));
	sp_world_run(t->base.world);
	return t->code;
}

int cli_token(int argc, char **argv)
{
	token t = {.data_dir = SP_STR("/var/lib/sampan"), .ttl = SP_STR("24h")};
	const cli_flag table[] = {
		{"data-dir", CLI_STR, &t.data_dir, "of the server whose administrator asks"},
		{"description", CLI_STR, &t.description, "of a new token, for people"},
		{"kubeconfig", CLI_STR, &t.kubeconfig, "instead: an administrator's of any cluster"},
		{"ttl", CLI_STR, &t.ttl, "how long a new token may be used; 0: for good"},
	};
	int status;
	size_t action;
	if (!cli_begin_action("token", actions, SP_LEN(actions), table, SP_LEN(table), argc, argv, &action,
			      &t.what, &status))
		return status;
	sp_code code = run(&t, action, &t.err);
	sp_informers_free(t.informers);
	sp_client_free(t.client);
	cli_process_done(&t.base);
	return cli_end("token", code, &t.err);
}
