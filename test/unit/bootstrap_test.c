/* SPDX-License-Identifier: Apache-2.0 */
/* A server's first objects, over the store in memory. */
#include "apiserver/bootstrap/bootstrap.h"

#include "apiserver/auth.h"
#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "lib/store_help.h"
#include "lib/t.h"

typedef struct first {
	t_store store;
	api_server *server;
	sp_code code;
	char why[SP_ERR_MSG_BYTES];
} first;

static void on_done(void *arg, sp_code code, const sp_err *err)
{
	first *f = arg;
	f->code = code;
	if (code != SP_OK)
		(void)snprintf(f->why, sizeof f->why, "%s", err->msg);
	sp_world_stop(f->store.world);
}

static void stop(first *f)
{
	api_server_free(f->server);
	f->server = NULL;
}

static bool run(first *f)
{
	const api_bootstrap_opts o = {.address = SP_STR("10.0.0.1"),
				      .port = 6443,
				      .service_cidr = SP_STR("10.96.0.0/16"),
				      .client_ca = SP_STR("x")};
	f->code = SP_EINTERNAL;
	api_bootstrap(f->server, &o, on_done, f);
	sp_world_run(f->store.world);
	return f->code == SP_OK || t_fail(__FILE__, __LINE__, "bootstrap: %s", f->why);
}

static bool start(first *f)
{
	*f = (first){0};
	if (!t_store_open(&f->store, T_STORE_MEM, NULL))
		return false;
	api_server_opts o = {.store = f->store.store,
			     .service_cidrs = SP_STR("10.96.0.0/16"),
			     .node_ports = SP_STR("30000-32767")};
	if (api_authorization_modes(SP_STR("Node,RBAC"), &o.authorization, T_ERR) != SP_OK ||
	    api_server_new(f->store.world, &o, &f->server, T_ERR) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "server: %s", T_ERR->msg);
		return false;
	}
	return true;
}

static uint64_t count(first *f, const char *prefix)
{
	uint64_t n = 0;
	return sp_store_count(f->store.store, sp_str_c(prefix), SP_STR(""), &n, NULL) == SP_OK ? n : 0;
}

static bool may(first *f, const char *user, const char *group, const char *verb, const char *resource,
		const char *sub)
{
	sp_str groups[] = {sp_str_c(group)}, reason;
	const api_user u = {.name = sp_str_c(user), .groups = groups, .n_groups = 1};
	const api_attributes what = {.is_resource = true,
				     .verb = sp_str_c(verb),
				     .resource = sp_str_c(resource),
				     .subresource = sp_str_c(sub),
				     .ns = SP_STR("default"),
				     .name = SP_STR("x")};
	return api_decide(f->server, T_ARENA, &u, &what, &reason) == API_ALLOW;
}

/* Allocations that may not fail abort, and a start is full of them: no faults here. */
SP_TEST(bootstrap, makes_everything_once)
{
	static first f;
	t_no_faults();
	T_TRUE(start(&f));
	T_DEFER(stop, &f);
	T_TRUE(!f.server->is_bootstrapped);
	T_TRUE(run(&f));
	T_TRUE(f.server->is_bootstrapped);
	T_EQ_U64(count(&f, "/registry/namespaces/"), 4);
	T_EQ_U64(count(&f, "/registry/services/specs/"), 1);
	T_EQ_U64(count(&f, "/registry/services/endpoints/"), 1);
	T_EQ_U64(count(&f, "/registry/endpointslices/"), 1);
	T_EQ_U64(count(&f, "/registry/flowschemas/"), 11);
	T_EQ_U64(count(&f, "/registry/prioritylevelconfigurations/"), 8);
	T_EQ_U64(count(&f, "/registry/priorityclasses/"), 2);
	T_TRUE(count(&f, "/registry/clusterroles/") > 60);
	T_TRUE(count(&f, "/registry/clusterrolebindings/") > 40);
	uint64_t revision = sp_store_revision(f.store.store);
	T_TRUE(run(&f));
	T_EQ_U64(sp_store_revision(f.store.store), revision);
}

SP_TEST(bootstrap, its_roles_work)
{
	static first f;
	t_no_faults();
	T_TRUE(start(&f));
	T_DEFER(stop, &f);
	T_TRUE(run(&f));
	T_TRUE(may(&f, "a", "system:masters", "delete", "pods", ""));
	T_TRUE(!may(&f, "a", "b", "get", "pods", ""));
	T_TRUE(may(&f, "system:kube-scheduler", "b", "get", "nodes", ""));
	T_TRUE(may(&f, "system:kube-scheduler", "b", "create", "pods", "binding"));
	T_TRUE(!may(&f, "system:kube-scheduler", "b", "get", "secrets", ""));
	T_TRUE(may(&f, "system:serviceaccount:kube-system:job-controller", "b", "create", "pods", ""));
	/* Aggregation: admin has what edit and view have. */
	api_rules admin, view;
	T_OK(api_rbac_role(f.server->rbac, SP_STR(""), SP_STR("admin"), &admin, T_ERR));
	T_OK(api_rbac_role(f.server->rbac, SP_STR(""), SP_STR("view"), &view, T_ERR));
	T_TRUE(view.n > 5 && admin.n > view.n);
	api_rules missing;
	T_OK(api_rules_missing(T_ARENA, &admin, &view, &missing, T_ERR));
	T_EQ_U64(missing.n, 0);
	/* A node of which nothing is known may read nothing but itself. */
	T_TRUE(!may(&f, "system:node:n", "system:nodes", "get", "secrets", ""));
	T_TRUE(may(&f, "system:node:n", "system:nodes", "create", "nodes", ""));
	T_TRUE(may(&f, "system:node:x", "system:nodes", "get", "nodes", ""));
	T_TRUE(!may(&f, "system:node:n", "system:nodes", "get", "nodes", ""));
}
