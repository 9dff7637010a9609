/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fairness, audit and metrics cost a request: processor time of the server per get and per create, with
 * one more of them switched on in each run. The runs take turns, and the best of the rounds counts, for the
 * machine is not quiet. Metrics can't be switched off: their calls are timed in this process.
 */
#include <stdio.h>
#include <stdlib.h>

#include "apiserver/metrics/metrics.h"
#include "lib/api_rig.h"

#define ROUNDS 3u
#define N_FLIGHTS 32u
#define N_GETS 30000u
#define N_CREATES 5000u

typedef struct run {
	const char *name, *flags[3];
	double get_us, create_us;
} run;

static char audit_log[4200], metadata[4200], bodies[4200];

static run runs[] = {
	{.name = "plain", .flags = {"--enable-priority-and-fairness=false"}},
	{.name = "fairness"},
	{.name = "audit_metadata", .flags = {metadata, audit_log}},
	{.name = "audit_bodies", .flags = {bodies, audit_log}},
};

/* ---- load ---- */

typedef struct load {
	bool creates;
	size_t n, asked, done, running;
	unsigned number; /* of the run; names differ by it */
} load;

typedef struct flight {
	load *l;
	size_t connection;
} flight;

static char filler[900];

static void go(flight *f);

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	flight *f = ex->arg;
	if (err != NULL || ex->status / 100 != 2)
		rig_die("a request", err);
	f->l->running--;
	f->l->done++;
	go(f);
}

static const sp_http_events events = {.on_close = on_close};

static void go(flight *f)
{
	load *l = f->l;
	char path[128], body[2048];
	sp_err err;
	if (l->asked == l->n) {
		if (l->running == 0)
			sp_world_stop(rig_world);
		return;
	}
	size_t i = l->asked++;
	int n = snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps%s",
			 l->creates ? "" : "/got");
	(void)snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"c-%u-%zu\"},\"data\":{\"text\":\"%s\"}}",
		       l->number, i, filler);
	const rig_ask a = {.method = l->creates ? SP_STR("POST") : SP_STR("GET"),
			   .path = {path, (size_t)n},
			   .body = l->creates ? body : NULL,
			   .as_admin = true};
	l->running++;
	if (rig_start(f->connection, &a, &events, f, &err) != SP_OK)
		rig_die("load", &err);
}

/* Microseconds of the server's processor time per request. */
static double measure(load *l)
{
	flight flights[N_FLIGHTS];
	double cpu = rig_server_cpu_s();
	for (size_t i = 0; i < N_FLIGHTS; i++) {
		flights[i] = (flight){l, i % RIG_CONNECTIONS};
		go(&flights[i]);
	}
	if (!rig_run(RIG_PATIENCE_NS))
		rig_die("load", NULL);
	return (rig_server_cpu_s() - cpu) * 1e6 / (double)l->done;
}

static void one_run(run *r, unsigned number)
{
	load gets = {.n = N_GETS}, creates = {.creates = true, .n = N_CREATES, .number = number};
	size_t n = 0;
	for (; n < SP_LEN(r->flags) && r->flags[n] != NULL; n++)
		rig_flags[n] = r->flags[n];
	rig_flags[n] = NULL;
	rig_open_clients();
	rig_server_start(false);
	if (number == 0)
		rig_must(&(rig_ask){.method = SP_STR("POST"),
				    .path = SP_STR("/api/v1/namespaces/default/configmaps"),
				    .body = "{\"metadata\":{\"name\":\"got\"},\"data\":{\"a\":\"b\"}}",
				    .as_admin = true});
	double get_us = measure(&gets), create_us = measure(&creates);
	r->get_us = r->get_us == 0 ? get_us : SP_MIN(r->get_us, get_us);
	r->create_us = r->create_us == 0 ? create_us : SP_MIN(r->create_us, create_us);
	rig_close_clients();
	rig_server_stop();
}

/* ---- metrics ---- */

static double metrics_ns(void)
{
	enum { N = 1000000 };
	api_metrics *m = api_metrics_new();
	const sp_str request[] = {SP_STR("200"), SP_STR("apiserver"),  SP_STR(""),
				  SP_STR(""),    SP_STR("configmaps"), SP_STR("resource"),
				  SP_STR(""),    SP_STR("GET"),        SP_STR("v1")};
	double began = rig_clock_s(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < N; i++) {
		sp_metric_add(m, API_METRIC_REQUESTS, request, 1);
		sp_metric_observe(m, API_METRIC_REQUEST_SECONDS, request + 1, 0.001);
		sp_metric_observe(m, API_METRIC_RESPONSE_SIZES, request + 1, 1000);
	}
	double ns = (rig_clock_s(CLOCK_PROCESS_CPUTIME_ID) - began) * 1e9 / N;
	sp_metrics_free(m);
	return ns;
}

static void write_policy(const char *path, const char *level)
{
	FILE *f = fopen(path, "we");
	if (f == NULL ||
	    fprintf(f, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: %s\n", level) < 0 ||
	    fclose(f) != 0)
		rig_die("policy", NULL);
}

int main(void)
{
	char dir[4096];
	memset(filler, 'x', sizeof filler - 1);
	rig_init();
	if (realpath(RIG_DIR, dir) == NULL)
		rig_die("directory", NULL);
	(void)snprintf(metadata, sizeof metadata, "--audit-policy-file=%s/metadata.yaml", dir);
	(void)snprintf(bodies, sizeof bodies, "--audit-policy-file=%s/bodies.yaml", dir);
	(void)snprintf(audit_log, sizeof audit_log, "--audit-log-path=%s/audit.log", dir);
	write_policy(RIG_DIR "/metadata.yaml", "Metadata");
	write_policy(RIG_DIR "/bodies.yaml", "RequestResponse");
	for (unsigned i = 0; i < ROUNDS * SP_LEN(runs); i++)
		one_run(&runs[i % SP_LEN(runs)], i);
	for (size_t i = 0; i < SP_LEN(runs); i++) {
		(void)printf("bench apicost_get_%s %.2f us\n", runs[i].name, runs[i].get_us);
		(void)printf("bench apicost_create_%s %.2f us\n", runs[i].name, runs[i].create_us);
	}
	(void)printf("bench apicost_metrics %.0f ns/request\n", metrics_ns());
	return rig_done();
}
