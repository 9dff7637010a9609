/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated seconds and events per second of one core: messages on links, and bytes on streams. Best of
 * several. */
#include <stdio.h>
#include <time.h>

#include "io/sim/sim.h"

#define RUNS 5
#define SECOND UINT64_C(1000000000)
#define N_NODES 5u

static double now_s(void)
{
	struct timespec ts;
	SP_ASSERT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- heartbeats: each node to all others, ten times a second ---- */

typedef struct node {
	sp_sim_host *host;
	sp_sim_link *link;
	sp_timer timer;
	uint64_t n_got;
} node;

static node nodes[N_NODES];

static void on_beat(void *arg, sp_sim_host *from, sp_str message)
{
	(void)from;
	((node *)arg)->n_got += message.len;
}

static void beat(sp_timer *t)
{
	node *n = t->arg;
	for (size_t i = 0; i < N_NODES; i++) {
		if (&nodes[i] != n)
			(void)sp_sim_link_send(n->link, nodes[i].host, SP_STR("beat"),
					       NULL); /* as lossy as it is */
	}
	sp_timer_start(sp_sim_world(n->host), t, SECOND / 10, beat);
}

static void set_up_beats(sp_sim *s)
{
	for (size_t i = 0; i < N_NODES; i++) {
		node *n = &nodes[i];
		*n = (node){.timer = {.arg = n}};
		n->host = sp_sim_host_new(s, (char[]){(char)('a' + i), '\0'}, NULL, NULL);
		SP_ASSERT(sp_sim_link_new(sp_sim_world(n->host), 1, on_beat, n, &n->link, NULL) == SP_OK);
		sp_timer_start(sp_sim_world(n->host), &n->timer, 1, beat);
	}
}

/* ---- a stream that is always full ---- */

static uint8_t block[16 << 10];
static sp_stream *ends[2];
static sp_write req;
static uint64_t n_bytes;

static void write_block(sp_write *r, sp_code code)
{
	if (code != SP_OK)
		return;
	*r = (sp_write){.iov = {{block, sizeof block}}, .n_iov = 1, .done = write_block};
	sp_stream_write(ends[0], r);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg;
	(void)bytes;
	n_bytes += n;
}

static void on_end(void *arg)
{
	(void)arg;
}

static void on_error(void *arg, const sp_err *err)
{
	(void)arg;
	(void)err;
}

static void set_up_stream(sp_sim *s)
{
	static const sp_stream_handler handler = {on_data, on_end, on_error, NULL};
	SP_ASSERT(sp_stream_pair(sp_sim_world(sp_sim_host_new(s, "a", NULL, NULL)), ends, NULL) == SP_OK);
	n_bytes = 0;
	for (size_t i = 0; i < 2; i++)
		sp_stream_handle(ends[i], &handler, NULL);
	sp_stream_read(ends[1], true);
	write_block(&req, SP_OK);
}

/* ---- measuring ---- */

static void measure(const char *what, void (*set_up)(sp_sim *s), const sp_sim_faults *faults,
		    uint64_t seconds)
{
	double best_s = 1e9;
	uint64_t n_steps = 0, n_moved = 0;
	for (int i = 0; i < RUNS; i++) {
		sp_sim *s = sp_sim_new(&(sp_sim_opts){.seed = (uint64_t)i, .faults = *faults});
		set_up(s);
		double start = now_s();
		sp_sim_run_until(s, (seconds + 1) * SECOND);
		double took = now_s() - start;
		if (took < best_s) {
			best_s = took;
			n_steps = sp_sim_steps(s);
			n_moved = n_bytes;
		}
		for (size_t j = 0; j < N_NODES && set_up == set_up_beats; j++)
			sp_timer_stop(sp_sim_world(nodes[j].host), &nodes[j].timer);
		for (size_t j = 0; j < 2 && set_up == set_up_stream; j++)
			sp_stream_close(ends[j]);
		sp_sim_free(s);
	}
	printf("%-34s %10.0f simulated s/s %8.2f M events/s", what, (double)seconds / best_s,
	       (double)n_steps / best_s / 1e6);
	if (set_up == set_up_stream)
		printf(" %8.0f MB/s", (double)n_moved / best_s / 1e6);
	printf("\n");
}

int main(void)
{
	static const sp_sim_faults none = {0};
	static const sp_sim_faults some = {.loss_ppm = 50000,
					   .dup_ppm = 50000,
					   .delay_ppm = 50000,
					   .part_ppm = 20000,
					   .slow_ppm = 20000};
	measure("5 hosts, heartbeats", set_up_beats, &none, 2000);
	measure("5 hosts, heartbeats, faults", set_up_beats, &some, 2000);
	measure("a full stream", set_up_stream, &none, 10);
	return 0;
}
