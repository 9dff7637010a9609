/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many requests and many watches at the server that test/lib/api_rig.h runs. Whatever goes wrong ends the
 * program.
 */
#pragma once

#include "lib/api_rig.h"

#define LOAD_FLIGHTS_MAX 64u

/* Flights that ask, wait and ask again, until `n` were asked or the time is over. */
typedef struct rig_load {
	void (*next)(size_t i, rig_ask *a, char path[256]); /* the i-th request */
	size_t n, n_flights, n_connections;
	uint64_t limit_ns;
	double *latencies; /* of each, seconds, or NULL */
	/* what came of it */
	size_t asked, done, bad, running;
	uint64_t n_bytes;
	double seconds, cpu_s, own_cpu_s;
	bool over;
} rig_load;

/* All must be answered with 2xx. */
void rig_load_run(rig_load *l, const char *what);
double rig_load_per_op_us(const rig_load *l, double seconds);
/* One after the other on one connection, with the peak growth of the server's anonymous memory, MiB. */
double rig_load_growth(rig_load *l, const char *what);

/* Watches at one revision, all on other connections than the first. */
typedef struct rig_watches {
	int (*path)(size_t i, unsigned long long revision, char path[256]); /* of the i-th; its length */
	size_t n;
	/* what came of it */
	size_t n_started, n_open;
	unsigned long long revision;
	uint64_t n_events, n_wanted;
	bool closing;
} rig_watches;

/* Opens them a few at a time: the peer refuses a crowd that comes at once. One set at a time. */
void rig_watches_open(rig_watches *w);
/* Waits until as many events have come. */
void rig_watches_wait(rig_watches *w, uint64_t n_events);
/* Clients are closed and opened anew. */
void rig_watches_close(rig_watches *w);
