/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LMDB store on a real file system: durable creates by 1 and 64 writers that each wait for their last
 * write, gets, ranges, and what an event costs with watchers that match and that do not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "io/uv/uv.h"
#include "store/lmdb/lmdb.h"
#include "store/mem/mem.h"
#include "store/record.h"

#define DIR_NAME "build/bench-store"
#define N_WATCHERS 5000

static sp_world *world;
static sp_store *store;
static sp_bytes *record, *indexed_record;

static double clock_us(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

static void print(const char *name, double value, const char *unit)
{
	printf("bench %s %.3f %s peer=none\n", name, value, unit);
	(void)fflush(stdout);
}

static void make_record(void)
{
	static char object[1024];
	memset(object, ' ', sizeof object);
	object[0] = '{';
	object[sizeof object - 1] = '}';
	static const sp_record_pair labels[] = {{SP_STR_INIT("app"), SP_STR_INIT("bench")}};
	static const sp_record_pair fields[] = {{SP_STR_INIT("spec.nodeName"), SP_STR_INIT("node-0")}};
	sp_record_info info = {.version = SP_STR("v1"),
			       .kind = SP_STR("ConfigMap"),
			       .encoding = SP_RECORD_JSON,
			       .splice = SP_RECORD_NO_SPLICE,
			       .labels = labels,
			       .n_labels = 1,
			       .fields = fields,
			       .n_fields = 1,
			       .i_indexed = 0};
	SP_ASSERT(sp_record_build(&info, (sp_str){object, sizeof object}, &indexed_record, NULL) == SP_OK);
	info.n_fields = 0;
	info.i_indexed = SP_RECORD_NO_INDEX;
	SP_ASSERT(sp_record_build(&info, (sp_str){object, sizeof object}, &record, NULL) == SP_OK);
}

/* ---- writers ---- */

typedef struct writer {
	sp_store_op op;
	sp_store_txn txn;
	char rest[64];
	double started_us;
} writer;

static size_t n_left, n_running, next_name;
static double latencies[200000];
static size_t n_latencies;
static bool spread, indexed; /* names in random order; records with an indexed field */

static void writer_start(writer *w)
{
	n_left--;
	unsigned id = (unsigned)next_name++;
	int n = snprintf(w->rest, sizeof w->rest, "default/object-%08x", spread ? id * 2654435761u : id);
	w->op = (sp_store_op){.type = SP_STORE_PUT,
			      .key = {SP_STR("/registry/configmaps/"), {w->rest, (size_t)n}},
			      .record = indexed ? indexed_record : record};
	w->started_us = now_us();
	sp_store_write(store, &w->txn);
}

static void writer_done(sp_store_txn *t, sp_code code, const sp_err *err)
{
	if (code != SP_OK) {
		fprintf(stderr, "write: %s\n", err->msg);
		_exit(1);
	}
	writer *w = t->arg;
	latencies[n_latencies++] = now_us() - w->started_us;
	if (n_left > 0)
		writer_start(w);
	else if (--n_running == 0)
		sp_world_stop(world);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double write_all(size_t n_writers, size_t n)
{
	static writer writers[64];
	n_left = n;
	n_running = n_writers;
	n_latencies = 0;
	double t0 = now_us();
	for (size_t i = 0; i < n_writers; i++) {
		writers[i].txn = (sp_store_txn){.ops = &writers[i].op, .n_ops = 1, .done = writer_done};
		writers[i].txn.arg = &writers[i];
		writer_start(&writers[i]);
	}
	sp_world_run(world);
	return now_us() - t0;
}

/* What a commit of 64 such records costs at least: as many bytes, a sync, a small synced write behind them.
 */
static void bench_disk(void)
{
	enum { N = 500 };
	static char bytes[128 << 10];
	int fd = open(DIR_NAME "/floor", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int synced = open(DIR_NAME "/floor", O_RDWR | O_DSYNC | O_CLOEXEC);
	SP_ASSERT(fd >= 0 && synced >= 0);
	double t0 = now_us();
	for (int i = 0; i < N; i++) {
		SP_ASSERT(pwrite(fd, bytes, sizeof bytes, 8192 + (off_t)i * (off_t)sizeof bytes) > 0);
		SP_ASSERT(fdatasync(fd) == 0);
		SP_ASSERT(pwrite(synced, bytes, 120, 4096 * (i % 2)) > 0);
	}
	print("store_disk_floor_64_creates", 64.0 * N / (now_us() - t0) * 1e6, "per_s");
	close(fd);
	close(synced);
	(void)unlink(DIR_NAME "/floor");
}

static void bench_writes(const char *order)
{
	char name[64];
	double us = write_all(64, 50000);
	(void)snprintf(name, sizeof name, "store_create_%s_64_writers", order);
	print(name, 50000 / us * 1e6, "per_s");
	us = write_all(1, 1500);
	(void)snprintf(name, sizeof name, "store_create_%s_1_writer", order);
	print(name, 1500 / us * 1e6, "per_s");
	qsort(latencies, n_latencies, sizeof latencies[0], compare);
	(void)snprintf(name, sizeof name, "store_create_%s_1_writer_p50", order);
	print(name, latencies[n_latencies / 2], "us");
}

/* ---- readers ---- */

static void bench_gets(void)
{
	enum { N = 200000 };
	char rest[64];
	double t0 = now_us();
	for (unsigned i = 0; i < N; i++) {
		int n = snprintf(rest, sizeof rest, "default/object-%08x", i * 7919u % 50000u);
		sp_store_value v;
		sp_store_key key = {SP_STR("/registry/configmaps/"), {rest, (size_t)n}};
		SP_ASSERT(sp_store_get(store, key, 0, &v, NULL) == SP_OK);
		v.record = sp_bytes_unref(v.record);
	}
	print("store_get", (now_us() - t0) / N * 1e3, "ns");
}

static char sink[8 << 20];
static size_t n_sunk;
static uint64_t n_bytes;

static sp_store_visit on_entry(void *arg, const sp_store_entry *e)
{
	(void)arg;
	if (n_sunk + e->record.len > sizeof sink)
		n_sunk = 0;
	memcpy(sink + n_sunk, e->record.ptr, e->record.len);
	n_sunk += e->record.len;
	n_bytes += e->record.len;
	return SP_STORE_TAKE;
}

static void bench_ranges(const char *what)
{
	enum { ROUNDS = 10 };
	char name[64];
	double t0 = now_us();
	n_bytes = 0;
	for (int i = 0; i < ROUNDS; i++) {
		sp_store_query q = {.resource = SP_STR("/registry/configmaps/")};
		sp_store_chunk c;
		do {
			SP_ASSERT(sp_store_range(store, &q, on_entry, NULL, &c, NULL) == SP_OK);
			q.revision = c.revision;
			q.from = (sp_str){c.next, c.next_len};
		} while (c.more);
	}
	(void)snprintf(name, sizeof name, "store_range_%s", what);
	print(name, (double)n_bytes / (now_us() - t0) / 1e3, "GB_per_s");
	uint64_t n;
	t0 = now_us();
	SP_ASSERT(sp_store_count(store, SP_STR("/registry/configmaps/"), SP_STR(""), &n, NULL) == SP_OK);
	(void)snprintf(name, sizeof name, "store_count_%s", what);
	print(name, (now_us() - t0) / (double)n * 1e3, "ns_per_key");
}

static void on_closed(void *arg)
{
	(void)arg;
	sp_world_stop(world);
}

static void close_store(void)
{
	sp_store_close(store, on_closed, NULL);
	sp_world_run(world);
}

/* ---- watchers ---- */

static sp_store_watch *watches[N_WATCHERS];
static size_t n_events;

static void on_ready(void *arg)
{
	sp_store_watch *w = *(sp_store_watch **)arg;
	for (sp_store_event *e; (e = sp_store_watch_next(w)) != NULL; n_events++)
		e = sp_store_event_unref(e);
}

/* CPU of the process per write, with n watchers open; in memory, so that no disk disturbs it. */
static double write_cpu(size_t n, bool match)
{
	enum { N = 20000 };
	sp_store_mem_opts mem = {.commit_ns = 0};
	SP_ASSERT(sp_store_mem_open(world, &mem, &store, NULL) == SP_OK);
	char node[32];
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(node, sizeof node, "node-%zu", match ? 0 : i + 1);
		sp_str name = sp_str_c(node);
		sp_store_watch_opts o = {.resource = SP_STR("/registry/configmaps/"),
					 .indexed = &name,
					 .on_ready = on_ready,
					 .arg = &watches[i]};
		SP_ASSERT(sp_store_watch_open(store, &o, &watches[i], NULL) == SP_OK);
	}
	n_events = 0;
	double t0 = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	(void)write_all(64, N);
	double us = (clock_us(CLOCK_PROCESS_CPUTIME_ID) - t0) / N;
	for (size_t i = 0; i < n; i++) {
		on_ready(&watches[i]); /* of the last commit */
		sp_store_watch_close(watches[i]);
	}
	SP_ASSERT(n_events == (match ? n * N : 0));
	close_store();
	return us;
}

static void bench_watches(void)
{
	indexed = true;
	double none = write_cpu(0, true), one = write_cpu(1, true), many = write_cpu(1000, true),
	       other = write_cpu(N_WATCHERS, false);
	print("store_memory_write", none * 1e3, "ns");
	print("store_event_1_watcher", (one - none) * 1e3, "ns");
	print("store_event_1000_watchers", many - none, "ns_per_watcher");
	print("store_event_5000_other_watchers", (other - none) * 1e3, "ns");
}

/* ---- the run ---- */

static void remove_dir(void)
{
	static const char *const files[] = {"data.mdb", "data.mdb-lock", "sampan.lock"};
	char path[128];
	for (size_t i = 0; i < SP_LEN(files); i++) {
		(void)snprintf(path, sizeof path, DIR_NAME "/%s", files[i]);
		(void)unlink(path);
	}
	(void)rmdir(DIR_NAME);
}

static void open_store(void)
{
	static char dir[4096];
	SP_ASSERT(getcwd(dir, sizeof dir - 64) != NULL);
	(void)mkdir("build", 0777);
	remove_dir();
	memcpy(dir + strlen(dir), "/" DIR_NAME, sizeof "/" DIR_NAME);
	sp_err err;
	sp_store_lmdb_opts o = {.dir = sp_str_c(dir)};
	if (sp_store_lmdb_open(world, &o, &store, &err) != SP_OK) {
		fprintf(stderr, "%s\n", err.msg);
		_exit(1);
	}
	next_name = 0;
}

int main(void)
{
	SP_ASSERT(sp_world_uv_new(&world, NULL) == SP_OK);
	make_record();
	open_store();
	struct statfs fs;
	SP_ASSERT(statfs("build", &fs) == 0);
	printf("directory build, file system type 0x%lx (0xef53 = ext4)\n", (unsigned long)fs.f_type);
	bench_disk();
	bench_writes("in_order");
	bench_gets();
	bench_ranges("in_order");
	close_store();
	open_store();
	spread = true;
	bench_writes("spread");
	bench_ranges("spread");
	close_store();
	remove_dir();
	bench_watches();
	record = sp_bytes_unref(record);
	indexed_record = sp_bytes_unref(indexed_record);
	sp_world_uv_free(world);
	return 0;
}
