/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan explain pod/NAME`: from live state, where a pod may go and what would have to change, by the
 * default profile of the scheduler. */
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "client/call.h"
#include "keys/pki.h"
#include "kube/view.h"
#include "scheduler/explain.h"

#define ANSWER_BYTES ((size_t)512 << 20)
#define ARENA_BYTES ((size_t)2 << 30)

typedef struct explain {
	sp_str data_dir, kubeconfig, ns, name;
	cli_process base;
	sp_client_config config;
	sp_client *client;
	sp_call call;
	size_t at;       /* of the lists */
	sp_buf snapshot; /* grows from answer to answer */
	sp_jout j;
	sp_buf nominated; /* items of that list */
	sp_str runs_on;
	sp_code code;
	sp_err err;
} explain;

/* Everything the scheduler looks at; the pods last. */
static const struct {
	const char *member;
	sp_gvr gvr;
} lists[] = {
	{"namespaces", {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("namespaces")}},
	{"nodes", {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("nodes")}},
	{"services", {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("services")}},
	{"replicasets", {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("replicasets")}},
	{"statefulsets", {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("statefulsets")}},
	{"replicationcontrollers",
	 {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("replicationcontrollers")}},
	{"poddisruptionbudgets",
	 {SP_STR_INIT("policy"), SP_STR_INIT("v1"), SP_STR_INIT("poddisruptionbudgets")}},
	{"storageclasses", {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("storageclasses")}},
	{"persistentvolumes", {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("persistentvolumes")}},
	{"persistentvolumeclaims",
	 {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("persistentvolumeclaims")}},
	{"csidrivers", {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("csidrivers")}},
	{"csistoragecapacities",
	 {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("csistoragecapacities")}},
	{"csinodes", {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("csinodes")}},
	{"volumeattachments",
	 {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("volumeattachments")}},
	{"pods", {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("pods")}},
};

static void on_closed(void *arg)
{
	sp_world_stop(((explain *)arg)->base.world);
}

static void end(explain *x, sp_code code, const sp_err *err)
{
	x->code = code;
	if (err != NULL && err != &x->err)
		x->err = *err;
	sp_client_close(x->client, on_closed, x);
}

/* ---- the snapshot ---- */

static bool is_over(yyjson_val *pod)
{
	sp_str phase = sp_view_str_at(pod, "status.phase");
	return sp_str_eq(phase, SP_STR("Succeeded")) || sp_str_eq(phase, SP_STR("Failed"));
}

static sp_code write_value(explain *x, sp_buf *to, yyjson_val *v)
{
	(void)x;
	if (to->len > 0)
		(void)sp_buf_char(to, ',');
	return sp_json_write(to, v);
}

/* The pod itself without what it was told already. */
static sp_code write_pending(explain *x, yyjson_val *pod)
{
	yyjson_mut_val *copy, *spec;
	SP_AUTO_BUF text;
	sp_buf_init(&text, ANSWER_BYTES);
	SP_TRY(sp_json_thaw(&x->base.arena, pod, &copy, &x->err));
	x->runs_on = sp_view_str_at(pod, "spec.nodeName");
	spec = sp_jmut_get(copy, SP_STR("spec"));
	if (spec != NULL)
		(void)sp_jmut_remove(spec, SP_STR("nodeName"));
	SP_TRY(sp_json_write_mut(&text, copy));
	sp_jout_member_open(&x->j, SP_STR("pending"), '[');
	sp_jout_raw(&x->j, sp_buf_view(&text));
	sp_jout_close(&x->j, ']');
	return SP_OK;
}

/* Bound ones count, pending ones when they hold a nomination. */
static sp_code write_pods(explain *x, yyjson_val *items)
{
	yyjson_val *v, *pod = NULL;
	size_t i, n;
	SP_AUTO_BUF bound;
	sp_buf_init(&bound, ANSWER_BYTES);
	yyjson_arr_foreach(items, i, n, v)
	{
		bool is_it = sp_str_eq(sp_view_str_at(v, "metadata.name"), x->name) &&
			     sp_str_eq(sp_view_str_at(v, "metadata.namespace"), x->ns);
		if (is_it)
			pod = v;
		else if (is_over(v))
			continue;
		else if (sp_view_str_at(v, "spec.nodeName").len > 0)
			SP_TRY(write_value(x, &bound, v));
		else if (sp_view_str_at(v, "status.nominatedNodeName").len > 0)
			SP_TRY(write_value(x, &x->nominated, v));
	}
	if (pod == NULL)
		return sp_fail(&x->err, SP_ENOTFOUND,
			       "there is no pod '" SP_FMT "' in namespace '" SP_FMT "'", SP_ARG(x->name),
			       SP_ARG(x->ns));
	sp_jout_member_open(&x->j, SP_STR("pods"), '[');
	if (bound.len > 0)
		sp_jout_raw(&x->j, sp_buf_view(&bound));
	sp_jout_close(&x->j, ']');
	sp_jout_member_open(&x->j, SP_STR("nominated"), '[');
	if (x->nominated.len > 0)
		sp_jout_raw(&x->j, sp_buf_view(&x->nominated));
	sp_jout_close(&x->j, ']');
	return write_pending(x, pod);
}

static sp_code take(explain *x, sp_str body)
{
	yyjson_val *root;
	SP_AUTO_BUF text;
	sp_buf_init(&text, ANSWER_BYTES);
	SP_TRY(sp_json_parse(&x->base.arena, sp_arena_try_dup(&x->base.arena, body), &root, &x->err));
	yyjson_val *items = sp_json_last(root, SP_STR("items"));
	if (strcmp(lists[x->at].member, "pods") == 0)
		return write_pods(x, items);
	sp_code code = items == NULL ? sp_buf_str(&text, SP_STR("[]")) : sp_json_write(&text, items);
	sp_jout_member_raw(&x->j, sp_str_c(lists[x->at].member), sp_buf_view(&text));
	return code;
}

static void ask_next(explain *x);

static void on_listed(sp_call *c, const sp_answer *a)
{
	explain *x = c->arg;
	sp_code code = a->code;
	if (code != SP_OK)
		x->err = *a->err;
	if (code == SP_OK)
		code = take(x, a->body);
	if (code != SP_OK && x->err.code == SP_OK)
		(void)sp_fail(&x->err, code, "no room for the cluster's objects");
	if (code != SP_OK || ++x->at == SP_LEN(lists))
		end(x, code, &x->err);
	else
		ask_next(x);
}

static void ask_next(explain *x)
{
	x->call = (sp_call){.done = on_listed, .arg = x};
	sp_call_start(x->client, &x->call,
		      &(sp_ask){.verb = SP_ASK_LIST, .gvr = lists[x->at].gvr, .answer_bytes = ANSWER_BYTES});
}

/* ---- the verb ---- */

static sp_code print(explain *x, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, ANSWER_BYTES);
	sp_jout_close(&x->j, '}');
	if (sp_buf_code(&x->snapshot) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no room for the cluster's objects");
	SP_TRY(sched_explain(sp_buf_view(&x->snapshot), x->runs_on, &out, err));
	printf(SP_FMT, SP_ARG(sp_buf_view(&out)));
	return SP_OK;
}

static sp_code run(explain *x, sp_err *err)
{
	sp_arena_init(&x->base.arena, ARENA_BYTES);
	SP_TRY(cli_process_open(&x->base, "explain", SP_STR("error"), err));
	sp_arena *a = &x->base.arena;
	if (x->kubeconfig.len == 0)
		x->kubeconfig =
			sp_arena_printf(a, SP_FMT "/pki/%s", SP_ARG(x->data_dir), keys_pki_admin.file);
	SP_TRY(sp_client_config_load(x->base.world, a, x->kubeconfig, SP_STR(""), &x->config, err));
	if (x->ns.len == 0)
		x->ns = x->config.namespace_;
	const sp_client_opts o = {.config = &x->config, .user_agent = SP_STR("sampan-explain")};
	SP_TRY(sp_client_new(x->base.world, &o, &x->client, err));
	sp_buf_init(&x->snapshot, ARENA_BYTES);
	sp_buf_init(&x->nominated, ANSWER_BYTES);
	x->j = sp_jout_to(&x->snapshot);
	sp_jout_open(&x->j, '{');
	ask_next(x);
	sp_world_run(x->base.world);
	SP_TRY(x->code);
	return print(x, err);
}

/* "pod/NAME", "pods/NAME", "NAME". */
static sp_str name_of(const char *arg)
{
	sp_str name = sp_str_c(arg);
	if (!sp_str_take(&name, SP_STR("pod/")) && !sp_str_take(&name, SP_STR("pods/")))
		(void)sp_str_take(&name, SP_STR("po/"));
	return name;
}

int cli_explain(int argc, char **argv)
{
	static const char usage[] = "sampan explain pod/NAME [FLAGS]";
	explain x = {.data_dir = SP_STR("/var/lib/sampan")};
	const cli_flag table[] = {
		{"data-dir", CLI_STR, &x.data_dir, "of the server whose cluster it is"},
		{"kubeconfig", CLI_STR, &x.kubeconfig, "instead: of any cluster"},
		{"namespace", CLI_STR, &x.ns, "of the pod; default: the kubeconfig's"},
	};
	int status, skip = argc >= 2 && argv[1][0] != '-' && !cli_is_help(argv[1]) ? 1 : 0;
	if (skip == 1)
		x.name = name_of(argv[1]);
	if (!cli_begin("explain", usage, table, SP_LEN(table), argc - skip, argv + skip, &status))
		return status;
	if (x.name.len == 0 || sp_str_index(x.name, '/') >= 0) {
		(void)fprintf(stderr, "sampan explain: usage: %s\n", usage);
		return CLI_EXIT_USAGE;
	}
	sp_code code = run(&x, &x.err);
	sp_buf_done(&x.snapshot);
	sp_buf_done(&x.nominated);
	sp_client_free(x.client);
	cli_process_done(&x.base);
	return cli_end("explain", code, &x.err);
}
