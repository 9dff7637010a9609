/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/api_load.h"

#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

/* ---- many requests ---- */

typedef struct flight {
	rig_load *l;
	size_t connection;
	double began;
} flight;

static void flight_go(flight *f);

static void flight_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	flight *f = ex->arg;
	(void)bytes;
	f->l->n_bytes += n;
}

static void flight_close(sp_http_exchange *ex, const sp_err *err)
{
	flight *f = ex->arg;
	rig_load *l = f->l;
	l->running--;
	if (err != NULL || ex->status / 100 != 2)
		l->bad++;
	else if (l->latencies != NULL)
		l->latencies[l->done] = rig_now_s() - f->began;
	l->done++;
	flight_go(f);
}

static const sp_http_events flight_events = {.on_body = flight_body, .on_close = flight_close};

static void flight_go(flight *f)
{
	rig_load *l = f->l;
	sp_err err;
	char path[256];
	rig_ask a = {0};
	if (l->over || l->asked == l->n) {
		if (l->running == 0)
			sp_world_stop(rig_world);
		return;
	}
	l->next(l->asked++, &a, path);
	l->running++;
	f->began = rig_now_s();
	if (rig_start(f->connection, &a, &flight_events, f, &err) != SP_OK)
		rig_die("load", &err);
}

static void load_over(sp_timer *t)
{
	((rig_load *)t->arg)->over = true;
}

void rig_load_run(rig_load *l, const char *what)
{
	flight flights[LOAD_FLIGHTS_MAX];
	sp_timer t = {.arg = l};
	SP_ASSERT(l->n_flights <= LOAD_FLIGHTS_MAX);
	double cpu = rig_server_cpu_s(), own = rig_clock_s(CLOCK_PROCESS_CPUTIME_ID), began = rig_now_s();
	sp_timer_start(rig_world, &t, l->limit_ns, load_over);
	for (size_t i = 0; i < l->n_flights; i++) {
		flights[i] = (flight){.l = l, .connection = i % l->n_connections};
		flight_go(&flights[i]);
	}
	bool in_time = rig_run(RIG_PATIENCE_NS);
	sp_timer_stop(rig_world, &t);
	l->seconds = rig_now_s() - began;
	l->cpu_s = rig_server_cpu_s() - cpu;
	l->own_cpu_s = rig_clock_s(CLOCK_PROCESS_CPUTIME_ID) - own;
	if (!in_time || l->bad > 0 || l->done == 0) {
		(void)fprintf(stderr, "%zu of %zu requests failed\n", l->bad, l->done);
		rig_die(what, NULL);
	}
}

double rig_load_per_op_us(const rig_load *l, double seconds)
{
	return seconds * 1e6 / (double)l->done;
}

typedef struct sampler {
	sp_timer timer;
	double peak;
} sampler;

static void on_sample(sp_timer *t)
{
	sampler *s = t->arg;
	double now = rig_proc_mib("status", "RssAnon");
	s->peak = SP_MAX(s->peak, now);
	sp_timer_start(rig_world, t, 5 * MS, on_sample);
}

double rig_load_growth(rig_load *l, const char *what)
{
	double before = rig_proc_mib("status", "RssAnon");
	sampler s = {.timer.arg = &s, .peak = before};
	sp_timer_start(rig_world, &s.timer, 5 * MS, on_sample);
	rig_load_run(l, what);
	sp_timer_stop(rig_world, &s.timer);
	return s.peak - before;
}

/* ---- watches ---- */

static void watch_start(rig_watches *w);

static void watch_response(sp_http_exchange *ex)
{
	rig_watches *w = ex->arg;
	if (ex->status != 200) {
		(void)fprintf(stderr, "status %u\n", ex->status);
		rig_die("watch refused", NULL);
	}
	if (++w->n_open == w->n)
		sp_world_stop(rig_world);
	watch_start(w);
}

static void watch_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	rig_watches *w = ex->arg;
	const uint8_t *end = bytes + n;
	while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
		w->n_events++;
		bytes++;
	}
	if (w->n_wanted > 0 && w->n_events >= w->n_wanted)
		sp_world_stop(rig_world);
}

static void watch_close(sp_http_exchange *ex, const sp_err *err)
{
	const rig_watches *w = ex->arg;
	if (!w->closing)
		rig_die("a watch ended", err);
}

static const sp_http_events watch_events = {
	.on_response = watch_response, .on_body = watch_body, .on_close = watch_close};

/* The newest revision of the server, from the metadata of an empty list. */
static unsigned long long revision(void)
{
	const rig_ask what = {.path = SP_STR("/api/v1/namespaces/bench-none/configmaps")};
	rig_answer a = rig_call(&what);
	const char *at = strstr(a.head, "\"resourceVersion\":\"");
	if (at == NULL)
		rig_die("no revision in a list", NULL);
	return strtoull(at + 19, NULL, 10);
}

static void watch_start(rig_watches *w)
{
	sp_err err;
	char path[256];
	if (w->n_started == w->n)
		return;
	size_t i = w->n_started++;
	int n = w->path(i, w->revision, path);
	const rig_ask a = {.path = {path, (size_t)n}};
	if (rig_start(1 + i % (RIG_CONNECTIONS - 1), &a, &watch_events, w, &err) != SP_OK)
		rig_die("watch", &err);
}

void rig_watches_open(rig_watches *w)
{
	w->revision = revision();
	for (size_t i = 0; i < RIG_CONNECTIONS - 1; i++)
		watch_start(w);
	if (!rig_run(RIG_PATIENCE_NS))
		rig_die("watches do not open", NULL);
}

void rig_watches_wait(rig_watches *w, uint64_t n_events)
{
	w->n_wanted = n_events;
	if (w->n_events < n_events && !rig_run(RIG_PATIENCE_NS))
		rig_die("events do not arrive", NULL);
}

void rig_watches_close(rig_watches *w)
{
	w->closing = true;
	rig_close_clients();
	rig_open_clients();
}
