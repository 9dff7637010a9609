/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ten admission policies cost: processor time of one pod's create, not persisted, without and with them;
 * their share is the difference. Ours and, where there is one, the peer's (test/lib/api_rig.h).
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/api_rig.h"

#define N_CREATES 2000u
#define N_ROUNDS 3u
#define N_FLIGHTS 8u
#define MS UINT64_C(1000000)
#define POLICIES "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
#define BINDINGS "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"

static const rig_ask create = {
	.method = SP_STR_INIT("POST"),
	.path = SP_STR_INIT("/api/v1/namespaces/bench/pods?dryRun=All"),
	.body = "{\"metadata\":{\"generateName\":\"p-\",\"labels\":{\"app\":\"web\",\"team\":\"a\"}},"
		"\"spec\":{"
		"\"automountServiceAccountToken\":false,\"containers\":[{\"name\":\"c\",\"image\":"
		"\"registry.example/"
		"c:1\",\"env\":[{\"name\":\"A\",\"value\":\"b\"}],\"resources\":{\"limits\":{"
		"\"cpu\":\"500m\",\"memory\":\"64Mi\"}},\"securityContext\":{\"runAsNonRoot\":true,"
		"\"allowPrivilegeEscalation\":false}},{\"name\":\"d\",\"image\":\"registry.example/d:1\","
		"\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"64Mi\"}}}]}}"};

/* What clusters ask of pods; all hold for the pod above. */
static const char *const checks[] = {
	"object.spec.containers.all(c, c.image.startsWith('registry.example/'))",
	"object.spec.containers.all(c, has(c.resources) && 'cpu' in c.resources.limits)",
	"!has(object.spec.hostNetwork) || !object.spec.hostNetwork",
	"'team' in object.metadata.labels && object.metadata.labels['team'].matches('^[a-z]+$')",
	"object.spec.containers.all(c, !c.image.endsWith(':latest'))",
	"object.spec.containers.all(c, !has(c.securityContext) || !has(c.securityContext.privileged) || "
	"!c.securityContext.privileged)",
	"!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.hostPath))",
	"object.spec.containers.all(c, quantity(c.resources.limits['memory']).isLessThan(quantity('1Gi')))",
	"object.spec.containers.size() < 5 && request.operation == 'CREATE'",
	"namespaceObject.metadata.name == 'bench' && size(request.userInfo.groups) > 0",
};

static void add_policy(size_t i)
{
	char body[1024];
	(void)snprintf(body, sizeof body,
		       "{\"metadata\":{\"name\":\"p%zu.example.com\"},\"spec\":{\"matchConstraints\":{"
		       "\"resourceRules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":["
		       "\"CREATE\",\"UPDATE\"],\"resources\":[\"pods\"]}]},\"validations\":[{\"expression\":"
		       "\"%s\"}]}}",
		       i, checks[i]);
	rig_must(&(rig_ask){
		.method = SP_STR("POST"), .path = SP_STR(POLICIES), .body = body, .as_admin = true});
	(void)snprintf(body, sizeof body,
		       "{\"metadata\":{\"name\":\"b%zu\"},\"spec\":{\"policyName\":\"p%zu.example.com\","
		       "\"validationActions\":[\"Deny\"]}}",
		       i, i);
	rig_must(&(rig_ask){
		.method = SP_STR("POST"), .path = SP_STR(BINDINGS), .body = body, .as_admin = true});
}

typedef struct load {
	size_t asked, running;
	bool failed;
} load;

static void go(load *l, size_t connection);

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	load *l = ex->arg;
	l->running--;
	l->failed = l->failed || err != NULL || ex->status != 201;
	go(l, l->asked % N_FLIGHTS);
}

static const sp_http_events events = {.on_close = on_close};

static void go(load *l, size_t connection)
{
	sp_err err;
	if (l->failed || l->asked == N_CREATES) {
		if (l->running == 0)
			sp_world_stop(rig_world);
		return;
	}
	l->asked++;
	l->running++;
	if (rig_start(connection, &create, &events, l, &err) != SP_OK)
		rig_die("create", &err);
}

static double round_us(void)
{
	load l = {0};
	double cpu = rig_server_cpu_s();
	for (size_t i = 0; i < N_FLIGHTS; i++)
		go(&l, i);
	if (!rig_run(RIG_PATIENCE_NS) || l.failed)
		rig_die("creates", NULL);
	return (rig_server_cpu_s() - cpu) * 1e6 / N_CREATES;
}

/* The best of several rounds. */
static double creates_us(void)
{
	double best = round_us();
	for (size_t i = 1; i < N_ROUNDS; i++) {
		double us = round_us();
		best = us < best ? us : best;
	}
	return best;
}

static void set_up(void)
{
	rig_must(&(rig_ask){
		.method = SP_STR("POST"),
		.path = SP_STR("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
		.body = "{\"metadata\":{\"name\":\"bench\"},\"roleRef\":{\"apiGroup\":"
			"\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"cluster-admin\"},"
			"\"subjects\":[{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"Group\","
			"\"name\":\"bench\"}]}",
		.as_admin = true});
	rig_must(&(rig_ask){.method = SP_STR("POST"),
			    .path = SP_STR("/api/v1/namespaces"),
			    .body = "{\"metadata\":{\"name\":\"bench\"}}",
			    .as_admin = true});
	rig_must(&(rig_ask){.method = SP_STR("POST"),
			    .path = SP_STR("/api/v1/namespaces/bench/serviceaccounts"),
			    .body = "{\"metadata\":{\"name\":\"default\"}}",
			    .as_admin = true});
	for (int i = 0; i < 500 && rig_call(&create).status != 201; i++)
		(void)rig_run(10 * MS);
}

/* The last policy is there once a pod that breaks it is refused. */
static void await_policies(void)
{
	const rig_ask bad = {
		.method = SP_STR("POST"),
		.path = SP_STR("/api/v1/namespaces/bench/pods?dryRun=All"),
		.body = "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"automountServiceAccountToken\":false,"
			"\"containers\":[{\"name\":\"c\",\"image\":\"other/c\"}]}}"};
	for (int i = 0; i < 500 && rig_call(&bad).status != 422; i++)
		(void)rig_run(10 * MS);
	(void)rig_run(1000 * MS);
}

static void measure(bool peer)
{
	rig_open_clients();
	rig_server_start(peer);
	set_up();
	(void)round_us(); /* warm */
	double without = creates_us();
	for (size_t i = 0; i < SP_LEN(checks); i++)
		add_policy(i);
	await_policies();
	double with = creates_us();
	rig_put("admit_cpu", without, "us", 1);
	rig_put("admit_cpu_10_policies", with, "us", 1);
	rig_put("10_policies_cpu", with - without, "us", 1);
	rig_close_clients();
	rig_server_stop();
}

int main(void)
{
	rig_init();
	measure(false);
	if (rig_has_peer())
		measure(true);
	rig_print("apiserver", "kube-apiserver");
	return rig_done();
}
